/** The last `capacity` values that were pushed; the oldest is dropped. */
export class Ring<T> {
  private readonly slots: T[] = [];
  private next = 0;

  constructor(readonly capacity: number) {
    if (!Number.isInteger(capacity) || capacity < 1)
      throw new RangeError('capacity: an integer of at least 1');
  }

  get length(): number {
    return this.slots.length;
  }

  push(value: T): void {
    if (this.slots.length < this.capacity) this.slots.push(value);
    else this.slots[this.next] = value;
    this.next = (this.next + 1) % this.capacity;
  }

  /** Oldest first. */
  toArray(): T[] {
    if (this.slots.length < this.capacity) return this.slots.slice();
    return [...this.slots.slice(this.next), ...this.slots.slice(0, this.next)];
  }

  get last(): T | undefined {
    return this.slots.length === 0
      ? undefined
      : this.slots[(this.next - 1 + this.capacity) % this.capacity];
  }

  clear(): void {
    this.slots.length = 0;
    this.next = 0;
  }
}
