import { describeHost, percentile, took, watchHost } from '../lib/host.mjs';
import {
  allAccepted,
  cpuMicroseconds,
  fleet,
  median,
  ms,
  row,
  us,
  verificationMicroseconds,
  withGateway,
} from '../lib/measure.mjs';

export const title = 'Every device a heartbeat each 10 s, one connection each';

/** Runs a paced fleet for a minute. */
export async function paced(devices, more = []) {
  return withGateway('', async (gateway) => {
    const verifications = [verificationMicroseconds()];
    const keys = `${gateway.directory}/keys`;
    await fleet(gateway, [
      '--devices',
      devices,
      '--connections',
      64,
      '--keys-file',
      keys,
      '--duration',
      1,
      '--interval',
      60,
      '--module',
      'warm',
    ]).summary;
    const before = cpuMicroseconds(gateway.child.pid);
    const record = `${gateway.directory}/record`;
    const watch = watchHost();
    const summary = await fleet(gateway, [
      '--devices',
      devices,
      '--connections',
      devices,
      '--ack-log',
      record,
      '--keys-file',
      keys,
      '--duration',
      60,
      '--connect-timeout',
      60,
      ...more,
    ]).summary;
    const host = await watch.end();
    const used = cpuMicroseconds(gateway.child.pid) - before;
    verifications.push(verificationMicroseconds());
    return {
      summary,
      host,
      took: took(record, host),
      each: used / summary.acknowledged,
      verification: median(verifications),
    };
  });
}

export async function measure({ devices }) {
  const {
    summary,
    host,
    took: { all, undisturbed },
    each,
    verification,
  } = await paced(devices);
  const { p50, p99, max } = summary.latency_us;
  return [
    allAccepted(summary),
    row('p50', ms(p50)),
    row('p99', ms(p99), '≤ 10 ms', p99 <= 10_000),
    row('max', ms(max), '≤ 100 ms', max <= 100_000),
    row('the host kept a core still, or slow', describeHost(host)),
    row(
      `from sent to answered, p99: all, and the ${undisturbed.length} that were not under way meanwhile`,
      `${percentile(all, 0.99)} and ${percentile(undisturbed, 0.99)} ms`,
    ),
    row('gateway CPU a heartbeat, handshakes included', us(each)),
    row('one bare ES256 verification', us(verification)),
    row(
      'bytes a heartbeat',
      `${summary.bytes_per_heartbeat.up.toFixed(0)} up, ${summary.bytes_per_heartbeat.down.toFixed(0)} down`,
    ),
    row("the fleet's own CPU a heartbeat", us(summary.client.cpu_us_per_heartbeat)),
  ];
}
