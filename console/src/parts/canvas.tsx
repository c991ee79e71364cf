import { useEffect, useRef } from 'preact/hooks';
import { drawing } from '../core/drawing';
import { useStore } from '../core/store';
import { shade } from '../core/theme';

/** Draws in device pixels: `scale` of them make a CSS pixel. */
export type Draw = (
  context: CanvasRenderingContext2D,
  width: number,
  height: number,
  scale: number,
) => void;

/**
 * A canvas as wide as `width` CSS pixels, drawn again when `keys`, size or theme change. It is
 * decoration for assistive technology: what surrounds it says the same in words.
 */
export function Canvas({
  width,
  height,
  draw,
  keys,
  class: name,
}: {
  width: number;
  height: number;
  draw: Draw;
  keys: readonly unknown[];
  class?: string;
}) {
  const element = useRef<HTMLCanvasElement>(null);
  const theme = useStore(shade);
  useEffect(() => {
    const canvas = element.current;
    if (!canvas || width <= 0) return;
    const scale = Math.max(1, devicePixelRatio || 1);
    const deviceWidth = Math.round(width * scale);
    const deviceHeight = Math.round(height * scale);
    if (canvas.width !== deviceWidth) canvas.width = deviceWidth;
    if (canvas.height !== deviceHeight) canvas.height = deviceHeight;
    const context = canvas.getContext('2d');
    if (!context) return;
    context.setTransform(1, 0, 0, 1, 0, 0);
    // At once, so that a row that is used again never shows the strip of somebody else.
    context.clearRect(0, 0, deviceWidth, deviceHeight);
    drawing.draw(canvas, () => draw(context, deviceWidth, deviceHeight, scale));
    return () => drawing.drop(canvas);
  }, [width, height, theme, ...keys]);
  return (
    <canvas
      ref={element}
      class={name}
      aria-hidden="true"
      style={{ width: `${width}px`, height: `${height}px` }}
    />
  );
}
