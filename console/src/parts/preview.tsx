import { useEffect, useRef, useState } from 'preact/hooks';
import { t } from '../text/en';
import { Icon } from './icons';

/** Plays the module's preview from a place; `turn` grows with each click, also on the same place. */
export function Preview({
  url,
  atMs,
  turn,
  onClose,
}: {
  url: string;
  atMs: number;
  turn: number;
  onClose: () => void;
}) {
  const video = useRef<HTMLVideoElement>(null);
  const [failed, setFailed] = useState(false);
  useEffect(() => setFailed(false), [url]);
  useEffect(() => {
    const element = video.current;
    if (!element) return;
    const start = () => {
      element.currentTime = atMs / 1000;
      // A browser may want a gesture first; the controls are there for that.
      element.play().catch(() => {});
    };
    if (element.readyState >= 1) start();
    else element.addEventListener('loadedmetadata', start, { once: true });
    return () => element.removeEventListener('loadedmetadata', start);
  }, [atMs, turn, url]);
  return (
    <aside class="preview" aria-label={t.preview.title}>
      <button type="button" class="icon-button" aria-label={t.preview.close} onClick={onClose}>
        <Icon name="close" />
      </button>
      {failed ? (
        <p>
          {t.preview.failed}{' '}
          <a href={url} target="_blank" rel="noreferrer">
            {t.preview.open}
          </a>
        </p>
      ) : (
        <video
          ref={video}
          src={url}
          controls
          playsInline
          preload="metadata"
          onError={() => setFailed(true)}
        />
      )}
    </aside>
  );
}
