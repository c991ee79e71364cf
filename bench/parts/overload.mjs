import { allAccepted, fleet, ms, row, times, withGateway } from '../lib/measure.mjs';

export const title = 'Overload: many times what the gateway can take, at once';

const tokensARequest = 5;

/** Each device's five heartbeats in one request, signed before; so many tokens at once at most. */
async function offered(gateway, devices, connections, window, prefix) {
  const summary = await fleet(gateway, [
    '--devices',
    devices,
    '--connections',
    connections,
    '--window',
    window,
    '--presign',
    '--heartbeats-per-device',
    tokensARequest,
    '--batch',
    tokensARequest,
    '--connect-timeout',
    60,
    '--request-timeout',
    120,
    '--student-prefix',
    prefix,
  ]).summary;
  return {
    summary,
    perSecond: summary.acknowledged / summary.elapsed_s,
    atOnce: connections * window * tokensARequest,
  };
}

export async function measure({ devices }) {
  return withGateway('', async (gateway) => {
    const rows = [];
    for (let turn = 1; turn <= 2; turn++) {
      const full = await offered(gateway, devices * 2, 8, 16, `full-${turn}-`);
      const over = await offered(gateway, devices * 2, 64, 64, `over-${turn}-`);
      const kept = over.perSecond / full.perSecond;
      rows.push(
        allAccepted(full.summary),
        allAccepted(over.summary),
        row(
          `${full.atOnce} at once`,
          `${full.perSecond.toFixed(0)} a second, p99 ${ms(full.summary.latency_us.p99)}`,
        ),
        row(
          `${over.atOnce} at once`,
          `${over.perSecond.toFixed(0)} a second, p99 ${ms(over.summary.latency_us.p99)}`,
        ),
        row(
          'throughput against that of a gateway that is just full',
          times(kept),
          '≥ 0.9 ×',
          kept >= 0.9,
        ),
      );
      // More than may wait: some are sent away and come again, spread over some seconds.
      const most = await offered(gateway, devices * 2, 160, 128, `most-${turn}-`);
      rows.push(
        allAccepted(most.summary),
        row(
          `${most.atOnce} at once`,
          `all after ${most.summary.elapsed_s.toFixed(1)} s, p50 ${ms(most.summary.latency_us.p50)}`,
        ),
      );
    }
    return rows;
  });
}
