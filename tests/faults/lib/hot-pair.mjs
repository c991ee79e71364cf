// Reads the value of a pair in Redis, by docs/storage-format.md alone.

/** A line for redis-cli whose reply is the value of the key in hexadecimal. */
export const hexOf = (key) =>
  `EVAL_RO "return (string.gsub(redis.call('GET', KEYS[1]) or '', '.', function(c) return string.format('%02x', string.byte(c)) end))" 1 ${key}`;

const headerBytes = 10; // format, mark, nonce
const numberBytes = 68; // epoch to mastered_ms
const windowBytes = 24;
const pieceBytes = 8;

/** {coverage, covered_ms, mastered} of a value in hexadecimal. Throws if it is not of format 4. */
export function hotPairOf(hex) {
  const value = Buffer.from(hex, 'hex');
  const numbers = value.subarray(headerBytes);
  if (value[0] !== 0x84 || numbers.length <= numberBytes) throw new Error(`no pair: '${hex}'`);
  const coveredMs = numbers.readUInt32BE(24);
  const masteredMs = numbers.readBigInt64BE(60);
  const pieces = numbers.subarray(numberBytes + 1 + windowBytes * numbers[numberBytes]);
  const coverage = [];
  for (let at = 0; at + pieceBytes <= pieces.length; at += pieceBytes)
    coverage.push([pieces.readUInt32BE(at), pieces.readUInt32BE(at + 4)]);
  return { coverage, covered_ms: coveredMs, mastered: masteredMs !== 0n };
}
