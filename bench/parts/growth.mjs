import { row, times, us } from '../lib/measure.mjs';
import { capacity } from './capacity.mjs';
import { paced } from './paced.mjs';

export const title = 'Growth: what a heartbeat costs with more devices and more connections';

export async function measure() {
  const rows = [];
  let first;
  for (const devices of [1000, 5000, 20000]) {
    const found = capacity(['--devices', devices]);
    first ??= found.ratio;
    const growth = found.ratio / first;
    rows.push(row(`${devices} devices, 8 connections`, `${us(found.gateway)} = ${times(found.ratio)} a verification`),
              row(`${devices} devices against 1000`, times(growth), '≤ 1.15 ×', growth <= 1.15));
  }
  let least;
  for (const connections of [1000, 5000, 10000]) {
    // The same pace for all: 1,000 heartbeats a second.
    const { each, verification } = await paced(connections, ['--interval', connections / 1000]);
    least ??= each / verification;
    const growth = each / verification / least;
    rows.push(row(`${connections} connections, 1,000 heartbeats a second`, `${us(each)} = ${times(each / verification)} a verification`),
              row(`${connections} connections against 1000`, times(growth), '≤ 1.15 ×', growth <= 1.15));
  }
  return rows;
}
