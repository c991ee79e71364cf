import { capacity, rowsOf } from './capacity.mjs';

export const title = 'A full gateway, heartbeats signed by session keys';

export async function measure({ devices }) {
  return rowsOf(capacity(['--devices', devices, '--session-keys']), 0.25);
}
