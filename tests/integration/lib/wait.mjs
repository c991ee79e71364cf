// Waiting for a condition, never for a time.

/** Asks `probe` until it gives something true, and gives that. */
export async function until(what, probe, { timeout_ms = 15_000, every_ms = 25 } = {}) {
  const deadline = Date.now() + timeout_ms;
  let last;
  for (;;) {
    try {
      const value = await probe();
      if (value) return value;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline)
      throw new Error(
        `${what}: not within ${timeout_ms} ms${last ? `; last: ${last.message}` : ''}`,
      );
    await new Promise((resolve) => setTimeout(resolve, every_ms));
  }
}

/** `promise`, or an error that says what was waited for. */
export function within(what, promise, timeout_ms = 15_000) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${timeout_ms} ms`)), timeout_ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
