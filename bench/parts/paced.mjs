import { allAccepted, cpuMicroseconds, fleet, median, ms, row, us, verificationMicroseconds, withGateway } from '../lib/measure.mjs';

export const title = 'Every device a heartbeat each 10 s, one connection each';

/** Runs a paced fleet for a minute. */
export async function paced(devices, more = []) {
  return withGateway('', async (gateway) => {
    const verifications = [verificationMicroseconds()];
    const keys = `${gateway.directory}/keys`;
    await fleet(gateway, ['--devices', devices, '--connections', 64, '--keys-file', keys, '--duration', 1,
                          '--interval', 60, '--module', 'warm']).summary;
    const before = cpuMicroseconds(gateway.child.pid);
    const summary = await fleet(gateway, ['--devices', devices, '--connections', devices, '--keys-file', keys,
                                          '--duration', 60, '--connect-timeout', 60, ...more]).summary;
    const used = cpuMicroseconds(gateway.child.pid) - before;
    verifications.push(verificationMicroseconds());
    return { summary, each: used / summary.acknowledged, verification: median(verifications) };
  });
}

export async function measure({ devices }) {
  const { summary, each, verification } = await paced(devices);
  const { p50, p99, max } = summary.latency_us;
  return [
    allAccepted(summary),
    row('p50', ms(p50)),
    row('p99', ms(p99), '≤ 10 ms', p99 <= 10_000),
    row('max', ms(max), '≤ 100 ms', max <= 100_000),
    row('gateway CPU a heartbeat, handshakes included', us(each)),
    row('one bare ES256 verification', us(verification)),
    row('bytes a heartbeat', `${summary.bytes_per_heartbeat.up.toFixed(0)} up, ${summary.bytes_per_heartbeat.down.toFixed(0)} down`),
    row('the fleet\'s own CPU a heartbeat', us(summary.client.cpu_us_per_heartbeat)),
  ];
}
