import { useEffect, useRef, useState } from 'preact/hooks';
import { Problem } from '../core/api';
import { completionsPart, save, wholeTable } from '../core/export';
import { t } from '../text/en';
import { Icon } from './icons';

/** Reads all completions of the filter and saves them; a second click ends that. */
export function ExportButton({ student, module }: { student: string; module: string }) {
  const running = useRef<AbortController | undefined>(undefined);
  const [rows, setRows] = useState<number>();
  const [problem, setProblem] = useState<Problem>();
  useEffect(() => () => running.current?.abort(), [student, module]);
  const words = t.completions;
  const click = async () => {
    if (running.current) return running.current.abort();
    running.current = new AbortController();
    const { signal } = running.current;
    setProblem(undefined);
    setRows(0);
    try {
      const texts = await wholeTable(
        (after) => completionsPart({ after, student, module }, signal),
        setRows,
      );
      if (!signal.aborted) save(texts, 'text/csv', 'completions.csv');
    } catch (error) {
      if (!signal.aborted)
        setProblem(error instanceof Problem ? error : new Problem('fault', 0, String(error)));
    }
    running.current = undefined;
    setRows(undefined);
  };
  return (
    <div class="view-actions">
      {problem && (
        <p class="refused" role="alert">
          {words.csvFailed(problem.detail)}
        </p>
      )}
      <button
        type="button"
        class="button"
        aria-busy={rows !== undefined}
        onClick={() => void click()}
      >
        <Icon name={rows === undefined ? 'down' : 'close'} size={16} />
        {rows === undefined ? words.csv : words.csvStop(rows)}
      </button>
    </div>
  );
}
