import { useState } from 'preact/hooks';
import type { Heat, HeatmapDocument } from '../core/heat';
import { useStore } from '../core/store';
import { shade } from '../core/theme';
import { useWidth } from '../core/use';
import { t } from '../text/en';
import { clock } from '../text/format';
import { Choice, TableToggle } from './controls';
import { letter, type Scale } from './heat-drawing';
import { HeatTable } from './heat-table';
import { Heatmap } from './heatmap';
import { Notice } from './states';

/** What stands out, by name and time. */
function Notable({ document, show }: { document: HeatmapDocument; show: (atMs: number) => void }) {
  const { hotspots, drop_offs: dropOffs } = document;
  return (
    <div class="notable">
      <div>
        <h3>{t.heat.hotspots}</h3>
        {hotspots.length === 0 ? (
          <p class="faint">{t.heat.noneHot}</p>
        ) : (
          <ol>
            {hotspots.map((spot, at) => (
              <li key={spot.from_ms}>
                <button type="button" onClick={() => show(spot.from_ms)}>
                  <span class="mark mark-hot">{at + 1}</span>
                  <b>{t.heat.hotspot(spot.from_ms, spot.to_ms)}</b>
                  <span>{t.heat.hotspotValue(spot.plays_per_viewer)}</span>
                </button>
              </li>
            ))}
          </ol>
        )}
      </div>
      <div>
        <h3>{t.heat.dropOffs}</h3>
        {dropOffs.length === 0 ? (
          <p class="faint">{t.heat.noneDrop}</p>
        ) : (
          <ol>
            {dropOffs.map((drop, at) => (
              <li key={drop.at_ms}>
                <button type="button" onClick={() => show(drop.at_ms)}>
                  <span class="mark mark-drop">{letter(at)}</span>
                  <b>{clock(drop.at_ms)}</b>
                  <span>{t.heat.dropOff(drop.lost, drop.share)}</span>
                </button>
              </li>
            ))}
          </ol>
        )}
      </div>
    </div>
  );
}

/** The heatmap with what stands out in it, by name and time. */
export function HeatCard({
  heat,
  version,
  onPlay,
}: {
  heat: Heat;
  version: number;
  onPlay: ((atMs: number) => void) | undefined;
}) {
  const [scale, setScale] = useState<Scale>('share');
  const [table, setTable] = useState(false);
  const [atMs, setAt] = useState<number>();
  const [measure, width] = useWidth<HTMLDivElement>();
  const theme = useStore(shade);
  const show = (ms: number) => {
    setTable(false);
    setAt(ms);
    onPlay?.(ms);
  };
  return (
    <section class="card heat-card" aria-labelledby="heat-title">
      <div class="card-head">
        <h2 id="heat-title">{t.heat.title}</h2>
        <span class="count">{t.heat.ofStudents(heat.students)}</span>
        <ul class="legend">
          <li>
            <i class="key key-viewers" />
            {t.heat.viewers}
          </li>
          <li>
            <i class="key key-again" />
            {t.heat.again}
          </li>
        </ul>
        <span class="push" />
        <Choice
          label={t.heat.scale}
          value={scale}
          onChange={setScale}
          options={[
            { value: 'share', text: t.heat.share },
            { value: 'absolute', text: t.heat.absolute },
          ]}
        />
        <TableToggle on={table} onChange={setTable} />
      </div>
      <p class="card-lead">{theme === 'dark' ? t.heat.leadDark : t.heat.lead}</p>
      <div class="heat-frame" ref={measure}>
        {heat.peak === 0 ? (
          <Notice small icon="empty" title={t.heat.emptyTitle}>
            {t.heat.empty}
          </Notice>
        ) : table ? (
          <HeatTable heat={heat} />
        ) : (
          width > 0 && (
            <Heatmap
              heat={heat}
              version={version}
              width={width}
              scale={scale}
              atMs={atMs}
              onMove={setAt}
              onPlay={onPlay}
            />
          )
        )}
      </div>
      {heat.peak > 0 && <Notable document={heat.document} show={show} />}
    </section>
  );
}
