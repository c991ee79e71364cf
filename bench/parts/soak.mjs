import {
  allAccepted,
  fleet,
  kib,
  median,
  ms,
  residentBytes,
  row,
  sample,
  withGateway,
} from '../lib/measure.mjs';

export const title = 'Soak: half an hour of steady load';

/**
 * 2,000 heartbeats a second, each connection's apart from the others': half of what two cores take together with
 * the sender. Resident memory is compared between the sixth minute and the last one.
 */
export async function measure({ devices }) {
  const minutes = 30;
  return withGateway('', async (gateway) => {
    const run = fleet(gateway, [
      '--devices',
      devices,
      '--connections',
      Math.min(devices, 10000),
      '--interval',
      devices / 2000,
      '--duration',
      minutes * 60,
      '--module-duration',
      7200,
      '--connect-timeout',
      60,
    ]);
    const memory = await sample(run, () => residentBytes(gateway.child.pid));
    const summary = await run.summary;
    const minute = Math.floor(memory.length / minutes);
    const early = median(memory.slice(5 * minute, 6 * minute));
    const late = median(memory.slice(-2 * minute, -minute));
    const growth = late / early - 1;
    return [
      allAccepted(summary),
      row('resident in the sixth and in the last minute but one', `${kib(early)}, ${kib(late)}`),
      row('growth', `${(100 * growth).toFixed(2)} %`, '≤ 2 %', growth <= 0.02),
      row('p99', ms(summary.latency_us.p99)),
    ];
  });
}
