import type { Stats } from '../core/api';
import { mainVerification, type Rates } from '../core/machine';
import { t } from '../text/en';
import { bytes, compact, decimal, microseconds, span } from '../text/format';

interface Node {
  name: string;
  x: number;
  y: number;
  facts: readonly string[];
  tone?: 'store' | 'away' | 'outside';
}
const WIDTH = 168;
const HEIGHT = 104;

const LINES: readonly { d: string; kind: 'flow' | 'later' | 'back' }[] = [
  { d: 'M178 82H216', kind: 'flow' },
  { d: 'M390 82H428', kind: 'flow' },
  { d: 'M602 82H640', kind: 'flow' },
  { d: 'M814 82H852', kind: 'flow' },
  { d: 'M958 134V200', kind: 'flow' },
  { d: 'M926 206V140', kind: 'back' },
  { d: 'M858 258H714', kind: 'later' },
  { d: 'M858 116C790 190 560 150 396 226', kind: 'back' },
  { d: 'M222 250C150 250 100 210 94 140', kind: 'back' },
];

const sumOf = (stats: Stats, of: (shard: Stats['shards'][number]) => number): number =>
  stats.shards.reduce((total, shard) => total + of(shard), 0);

/** The upper row: a heartbeat on its way in. */
function wayIn(stats: Stats, rates: Rates): Node[] {
  const { node, fact } = t.machine;
  const verification = mainVerification(stats);
  return [
    {
      name: node.devices,
      x: 10,
      y: 30,
      tone: 'outside',
      facts: [
        fact.perSecond(decimal(rates.heartbeats)),
        `↑ ${bytes(rates.receivedBytes)}/s`,
        `↓ ${bytes(rates.sentBytes)}/s`,
      ],
    },
    {
      name: node.connection,
      x: 222,
      y: 30,
      facts: [fact.open(compact(stats.connections.open)), fact.requests(decimal(rates.requests))],
    },
    {
      name: node.screening,
      x: 434,
      y: 30,
      facts: [
        fact.inFlight(compact(stats.heartbeats.in_flight)),
        fact.refused(decimal(rates.refused)),
      ],
    },
    {
      name: node.session,
      x: 646,
      y: 30,
      facts: [
        fact.sessions(compact(stats.sessions)),
        fact.verify(microseconds(verification.p50Us)),
        fact.p99(microseconds(verification.p99Us)),
      ],
    },
    {
      name: node.shard,
      x: 858,
      y: 30,
      facts: [
        fact.depth(compact(sumOf(stats, (shard) => shard.queue_depth))),
        fact.parked(compact(sumOf(stats, (shard) => shard.parked_replies))),
        fact.batch(decimal(rates.batchSize)),
      ],
    },
  ];
}

/** The lower row: the stores, and the response on its way back. */
function wayBack(stats: Stats): Node[] {
  const { node, fact } = t.machine;
  return [
    {
      name: node.hot,
      x: 858,
      y: 206,
      tone: stats.hot_store.up ? 'store' : 'away',
      facts: [
        fact.latency(microseconds(stats.hot_store.latency_us.p50)),
        fact.p99(microseconds(stats.hot_store.latency_us.p99)),
        stats.hot_store.up ? t.machine.upState : t.machine.downState,
      ],
    },
    {
      name: node.ledger,
      x: 540,
      y: 206,
      tone: stats.ledger.up ? 'store' : 'away',
      facts: [
        fact.lag(span(stats.ledger.lag_ms)),
        fact.dirty(compact(sumOf(stats, (shard) => shard.dirty))),
        stats.ledger.up ? t.machine.upState : t.machine.downState,
      ],
    },
    {
      name: node.response,
      x: 222,
      y: 206,
      facts: [
        fact.p50(microseconds(stats.heartbeats.latency_us.p50)),
        fact.p99(microseconds(stats.heartbeats.latency_us.p99)),
      ],
    },
  ];
}

const Tip = ({ id, name }: { id: string; name: string }) => (
  <marker
    id={id}
    viewBox="0 0 8 8"
    refX="7"
    refY="4"
    markerWidth="8"
    markerHeight="8"
    orient="auto"
  >
    <path d="M0 .8L7 4L0 7.2z" class={name} />
  </marker>
);

/** The way of a heartbeat, left to right and back, with the figures of the last second on it. */
export function PathDrawing({ stats, rates }: { stats: Stats; rates: Rates }) {
  const nodes = [...wayIn(stats, rates), ...wayBack(stats)];
  const busy = rates.heartbeats > 0;
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={t.machine.path}>
      <svg
        class={busy ? 'path path-busy' : 'path'}
        viewBox="0 0 1036 324"
        role="img"
        aria-label={`${t.machine.pathLabel}. ${nodes.map(({ name, facts }) => `${name}: ${facts.join(', ')}`).join('. ')}`}
      >
        <defs>
          <Tip id="tip" name="path-tip" />
          <Tip id="tip-flow" name="path-tip-flow" />
        </defs>
        {LINES.map(({ d, kind }) => (
          <path
            key={d}
            d={d}
            class={`path-line path-${kind}`}
            marker-end={kind === 'flow' ? 'url(#tip-flow)' : 'url(#tip)'}
          />
        ))}
        {nodes.map(({ name, x, y, facts, tone }) => (
          <g key={name} class={`path-node ${tone ? `path-${tone}` : ''}`}>
            <rect x={x} y={y} width={WIDTH} height={HEIGHT} rx={12} />
            <text x={x + 14} y={y + 27} class="path-name">
              {name}
            </text>
            {facts.map((text, at) => (
              <text key={at} x={x + 14} y={y + 51 + at * 19} class="path-fact">
                {text}
              </text>
            ))}
          </g>
        ))}
      </svg>
    </div>
  );
}
