import os from 'node:os';
import {
  allAccepted,
  fleet,
  median,
  ms,
  row,
  times,
  verificationMicroseconds,
  withGateway,
} from '../lib/measure.mjs';

export const title = 'All devices send one heartbeat at the same moment';

export async function measure({ devices }) {
  return withGateway('', async (gateway) => {
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
    const verifications = [verificationMicroseconds()];
    const summary = await fleet(gateway, [
      '--devices',
      devices,
      '--connections',
      devices,
      '--keys-file',
      keys,
      '--burst',
      '--connect-timeout',
      60,
    ]).summary;
    verifications.push(verificationMicroseconds());
    const bare = (median(verifications) * devices) / os.cpus().length;
    return [
      allAccepted(summary),
      row('p50, p99', `${ms(summary.latency_us.p50)}, ${ms(summary.latency_us.p99)}`),
      row('last answer', ms(summary.latency_us.max)),
      row('the bare verifications over all cores', ms(bare)),
      row(
        'last answer against them',
        times(summary.latency_us.max / bare),
        '≤ 1.3 ×',
        summary.latency_us.max <= 1.3 * bare,
      ),
      row(
        "the fleet's own CPU a heartbeat, on the same cores",
        `${summary.client.cpu_us_per_heartbeat.toFixed(0)} µs`,
      ),
    ];
  });
}
