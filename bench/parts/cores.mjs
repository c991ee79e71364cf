import { row, times, us } from '../lib/measure.mjs';
import { capacity } from './capacity.mjs';

export const title = 'The second core: everything on one core, then on two';

/**
 * Load, gateway and stores are bound to one core, then to two, by turns: on a machine where all share
 * the cores, this is how a second one can be given to all of them alike.
 */
export async function measure({ devices }) {
  const load = ['--devices', devices, '--session-keys', '--bodies'];
  const turns = [];
  for (let turn = 0; turn < 2; turn++) {
    turns.push({
      one: capacity(load, ['taskset', '--cpu-list', '0']),
      two: capacity(load, ['taskset', '--cpu-list', '0,1']),
    });
  }
  const rows = [];
  for (const { one, two } of turns) {
    const growth = two.perSecond / one.perSecond;
    rows.push(
      row(
        'heartbeats a second on one core, on two',
        `${one.perSecond.toFixed(0)}, ${two.perSecond.toFixed(0)}`,
      ),
      row('one bare verification meanwhile', `${us(one.verification)}, ${us(two.verification)}`),
      row(
        'gateway CPU a heartbeat',
        `${us(one.gateway)} = ${times(one.ratio)}, ${us(two.gateway)} = ${times(two.ratio)} a verification`,
      ),
      row('throughput, two against one', times(growth), '≥ 1.8 ×', growth >= 1.8),
    );
  }
  return rows;
}
