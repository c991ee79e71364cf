import { capacity, rowsOf } from './capacity.mjs';

export const title = 'A full gateway, heartbeats signed by session keys';

export async function measure({ devices }) {
  const load = ['--devices', devices, '--session-keys'];
  // h2load must have each token in a path, whose Huffman code takes a sixth of the time to decode.
  return [
    ...rowsOf(capacity([...load, '--bodies']), 0.25),
    ...rowsOf(capacity(load), 0.25).map((each) => ({
      ...each,
      name: `tokens in paths: ${each.name}`,
    })),
  ];
}
