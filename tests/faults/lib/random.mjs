// Random numbers that are the same for the same seed.

/** mulberry32 over a hash of `seed` and `name`: each scenario has a sequence of its own. */
export class Random {
  constructor(seed, name = '') {
    let state = (2166136261 ^ seed) >>> 0;
    for (const character of `${seed}/${name}`)
      state = Math.imul(state ^ character.codePointAt(0), 16777619) >>> 0;
    this.state = state;
  }

  /** At least 0, below 1. */
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
  /** An integer, both ends included. */
  between(low, high) {
    return low + Math.floor(this.next() * (high - low + 1));
  }
  pick(list) {
    return list[this.between(0, list.length - 1)];
  }
}
