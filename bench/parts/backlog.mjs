import { allAccepted, fleet, ms, pause, row, withGateway } from '../lib/measure.mjs';

export const title =
  'After an outage: five kept heartbeats of every device, in batches, while others go on';

export async function measure({ devices }) {
  return withGateway('', async (gateway) => {
    const fresh = fleet(gateway, [
      '--devices',
      500,
      '--connections',
      500,
      '--interval',
      2,
      '--playback-rate',
      1,
      '--duration',
      40,
      '--module',
      'live',
      '--module-duration',
      3600,
    ]);
    await pause(4000);
    const stock = await fleet(gateway, [
      '--devices',
      devices,
      '--connections',
      1000,
      '--presign',
      '--batch',
      5,
      '--heartbeats-per-device',
      5,
      '--window',
      16,
    ]).summary;
    const meanwhile = await fresh.summary;
    const { p99 } = meanwhile.latency_us;
    return [
      { ...allAccepted(stock), name: 'kept heartbeats accepted' },
      row('seconds they took', stock.elapsed_s.toFixed(1)),
      row('kept heartbeats a second', stock.heartbeats_per_s.toFixed(0)),
      { ...allAccepted(meanwhile), name: 'new heartbeats accepted meanwhile' },
      row('their p99', ms(p99), '≤ 1000 ms', p99 <= 1e6),
    ];
  });
}
