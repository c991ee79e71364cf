import { useMemo, useRef, useState } from 'preact/hooks';
import { api, Problem, type Stats } from '../core/api';
import { type Moment, type Rates, ratesOf } from '../core/machine';
import { Ring } from '../core/ring';
import { usePolling } from '../core/use';
import { Figure } from '../parts/controls';
import { Curve } from '../parts/curve';
import { PathDrawing } from '../parts/path-drawing';
import { Loading, ProblemNotice } from '../parts/states';
import { t } from '../text/en';
import { bytes, compact, decimal, microseconds, number, span } from '../text/format';

const EVERY_MS = 1_000;
const SECONDS_KEPT = 300;

interface Point {
  atS: number;
  rates: Rates;
  p99Ms: number;
}
const rateSeries = [
  { label: t.liveView.accepted, colour: 'curve-1', fill: true },
  { label: t.liveView.rejected, colour: 'curve-4' },
];
const latencySeries = [{ label: t.machine.p99, colour: 'curve-2' }];

function Shards({ shards }: { shards: Stats['shards'] }) {
  const words = t.machine;
  const deepest = Math.max(...shards.map((shard) => shard.queue_depth), 1);
  return (
    <section class="card" aria-labelledby="shards-title">
      <div class="card-head">
        <h2 id="shards-title">{words.shards}</h2>
        <span class="count">{number(shards.length)}</span>
      </div>
      <div class="scroll" tabIndex={0} role="group" aria-label={words.shards}>
        <table>
          <thead>
            <tr>
              {[
                words.shard,
                words.pairs,
                words.dirty,
                words.depth,
                words.parked,
                words.batches,
                words.batchMean,
                words.batchMax,
                words.latency50,
                words.latency99,
              ].map((name, at) => (
                <th key={name} scope="col" class={at > 0 ? 'right' : undefined}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shards.map((shard) => (
              <tr key={shard.index}>
                <th scope="row">{shard.index}</th>
                <td class="right">{number(shard.pairs)}</td>
                <td class="right">{number(shard.dirty)}</td>
                <td
                  class="right depth"
                  style={{ '--depth': `${(shard.queue_depth / deepest) * 100}%` }}
                >
                  {number(shard.queue_depth)}
                </td>
                <td class="right">{number(shard.parked_replies)}</td>
                <td class="right">{compact(shard.batches)}</td>
                <td class="right">{decimal(shard.batch_size_mean)}</td>
                <td class="right">{number(shard.batch_size_max)}</td>
                <td class="right">{microseconds(shard.batch_latency_us.p50)}</td>
                <td class="right">{microseconds(shard.batch_latency_us.p99)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Facts({ rows }: { rows: readonly (readonly [string, string])[] }) {
  return (
    <dl class="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Stores({ stats }: { stats: Stats }) {
  const words = t.machine;
  const { hot_store: hot, ledger } = stats;
  const state = (up: boolean) => (
    <span class={up ? 'chip chip-on' : 'chip chip-bad'}>
      {up ? words.upState : words.downState}
    </span>
  );
  return (
    <>
      <section class="card" aria-labelledby="hot-title">
        <div class="card-head">
          <h2 id="hot-title">{words.node.hot}</h2>
          {state(hot.up)}
          {hot.degraded && <span class="chip chip-warn">{words.degraded}</span>}
        </div>
        <p class="card-lead">{hot.description}</p>
        <Facts
          rows={[
            [words.stored, `${hot.durability} · ${words.durability[hot.durability] ?? ''}`],
            [
              `${words.p50} / ${words.p99}`,
              `${microseconds(hot.latency_us.p50)} / ${microseconds(hot.latency_us.p99)}`,
            ],
            [words.failed, words.failures(hot.failures)],
            ...(hot.last_failure ? [[words.lastFailure, hot.last_failure] as const] : []),
          ]}
        />
      </section>
      <section class="card" aria-labelledby="ledger-title">
        <div class="card-head">
          <h2 id="ledger-title">{words.node.ledger}</h2>
          {state(ledger.up)}
        </div>
        <p class="card-lead">{ledger.description}</p>
        <Facts
          rows={[
            [words.lag, span(ledger.lag_ms)],
            [words.dirty, number(ledger.dirty_pairs)],
            [words.checkpointed, number(ledger.checkpointed_pairs)],
            [
              `${words.p50} / ${words.p99}`,
              `${microseconds(ledger.latency_us.p50)} / ${microseconds(ledger.latency_us.p99)}`,
            ],
            [words.failed, words.failures(ledger.failures)],
            ...(ledger.last_failure ? [[words.lastFailure, ledger.last_failure] as const] : []),
          ]}
        />
      </section>
    </>
  );
}

/** The figures of the gateway, asked for every second, and how they went. */
function useStats() {
  const [now, setNow] = useState<{ moment: Moment; rates: Rates }>();
  const [problem, setProblem] = useState<Problem>();
  const before = useRef<Moment | undefined>(undefined);
  const points = useRef(new Ring<Point>(SECONDS_KEPT));
  const [turn, setTurn] = useState(0);
  usePolling(
    async (signal) => {
      try {
        const moment = { atMs: performance.now(), stats: await api.stats(signal) };
        const rates = ratesOf(before.current, moment);
        before.current = moment;
        points.current.push({
          atS: Date.now() / 1000,
          rates,
          p99Ms: moment.stats.heartbeats.latency_us.p99 / 1000,
        });
        setNow({ moment, rates });
        setProblem(undefined);
      } catch (error) {
        if (!signal.aborted)
          setProblem(error instanceof Problem ? error : new Problem('fault', 0, String(error)));
      }
    },
    EVERY_MS,
    [turn],
  );
  const [rateData, latencyData] = useMemo((): [number[][], number[][]] => {
    const all = points.current.toArray();
    const at = all.map(({ atS }) => atS);
    return [
      [at, all.map(({ rates }) => rates.credited), all.map(({ rates }) => rates.refused)],
      [at, all.map(({ p99Ms }) => p99Ms)],
    ];
  }, [now]);
  return { now, problem, rateData, latencyData, retry: () => setTurn((n) => n + 1) };
}

function Verification({ stats }: { stats: Stats }) {
  const words = t.machine;
  return (
    <section class="card" aria-labelledby="verification-title">
      <div class="card-head">
        <h2 id="verification-title">{words.verification}</h2>
      </div>
      <table>
        <thead>
          <tr>
            <th scope="col">{words.algorithm}</th>
            <th scope="col" class="right">
              {words.count}
            </th>
            <th scope="col" class="right">
              {words.failed}
            </th>
            <th scope="col" class="right">
              {words.p50}
            </th>
            <th scope="col" class="right">
              {words.p99}
            </th>
          </tr>
        </thead>
        <tbody>
          {Object.entries(stats.verification).map(([name, one]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td class="right">{compact(one.count)}</td>
              <td class="right">{compact(one.failed)}</td>
              <td class="right">{one.count > 0 ? microseconds(one.p50_us) : '–'}</td>
              <td class="right">{one.count > 0 ? microseconds(one.p99_us) : '–'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Jobs({ jobs }: { jobs: Stats['jobs'] }) {
  const words = t.machine;
  return (
    <section class="card" aria-labelledby="jobs-title">
      <div class="card-head">
        <h2 id="jobs-title">{words.jobs}</h2>
        <span class="count">{number(jobs.length)}</span>
      </div>
      <p class="card-lead">{words.jobsLead}</p>
      <table>
        <thead>
          <tr>
            <th scope="col">{words.job}</th>
            <th scope="col" class="right">
              {words.revision}
            </th>
            <th scope="col" class="right">
              {words.judged}
            </th>
          </tr>
        </thead>
        <tbody>
          {jobs.map(({ module, revision, done, total }) => (
            <tr key={module}>
              <th scope="row">{module}</th>
              <td class="right">{number(revision)}</td>
              <td
                class="right depth"
                style={{ '--depth': `${total ? Math.min(1, done / total) * 100 : 0}%` }}
              >
                {total !== null
                  ? words.judgedOf(number(done), number(total))
                  : done > 0
                    ? number(done)
                    : words.waiting}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Connections({ stats, rates }: { stats: Stats; rates: Rates }) {
  const words = t.machine;
  return (
    <section class="card" aria-labelledby="connections-title">
      <div class="card-head">
        <h2 id="connections-title">{words.connections}</h2>
      </div>
      <Facts
        rows={[
          [words.accepted, number(stats.connections.accepted)],
          [words.refused, number(stats.connections.refused)],
          [words.punished, number(stats.connections.punished)],
          [
            words.handshakes,
            [
              stats.connections.handshakes_full,
              stats.connections.handshakes_resumed,
              stats.connections.handshakes_failed,
            ]
              .map(number)
              .join(' / '),
          ],
          [words.traffic, `${bytes(rates.receivedBytes)}/s · ${bytes(rates.sentBytes)}/s`],
          ...(stats.connections.open > 0
            ? [
                [
                  words.perConnection,
                  bytes(stats.memory.resident_bytes / stats.connections.open),
                ] as const,
              ]
            : []),
        ]}
      />
    </section>
  );
}

export function Machine() {
  const { now, problem, rateData, latencyData, retry } = useStats();
  if (!now) return problem ? <ProblemNotice page problem={problem} retry={retry} /> : <Loading />;
  const words = t.machine;
  const { stats } = now.moment;
  const { rates } = now;
  return (
    <>
      <header class="view-head">
        <div>
          <h1>{words.title}</h1>
          <p class="lead">
            {words.thisOne} · {stats.build.version} · {words.up(span(stats.uptime_s * 1000))}
          </p>
        </div>
        {problem && (
          <span class="live-mark live-waiting">
            <i aria-hidden="true" />
            <span role="status">{words.stale}</span>
          </span>
        )}
      </header>
      <section class="card" aria-labelledby="path-title">
        <div class="card-head">
          <h2 id="path-title">{words.path}</h2>
        </div>
        <PathDrawing stats={stats} rates={rates} />
      </section>
      <dl class="figures">
        <Figure label={t.liveView.rate} value={decimal(rates.heartbeats)} />
        <Figure
          label={`${words.response} ${words.p50} / ${words.p99}`}
          value={`${microseconds(stats.heartbeats.latency_us.p50)} / ${microseconds(stats.heartbeats.latency_us.p99)}`}
        />
        <Figure label={t.liveView.connections} value={compact(stats.connections.open)} />
        <Figure label={words.memory} value={bytes(stats.memory.resident_bytes)} />
      </dl>
      <div class="side-by-side">
        <Curve
          title={words.curveRate}
          series={rateSeries}
          data={rateData}
          format={decimal}
          height={200}
        />
        <Curve
          title={words.curveLatency}
          series={latencySeries}
          data={latencyData}
          format={decimal}
          height={200}
        />
      </div>
      {stats.jobs.length > 0 && <Jobs jobs={stats.jobs} />}
      <Shards shards={stats.shards} />
      <div class="side-by-side">
        <Stores stats={stats} />
        <Verification stats={stats} />
        <Connections stats={stats} rates={rates} />
      </div>
    </>
  );
}
