/** Line icons on a grid of 20; drawn here so that nothing has to be fetched. */
const paths = {
  modules: 'M3 5.5h14M3 10h9M3 14.5h11M15 8.5l3 1.5-3 1.5z',
  live: 'M2.5 10h3l2-5 4 10 2.2-5h3.8',
  machine: 'M4 3.5h12v5H4zM4 11.5h12v5H4zM7 6h.01M7 14h.01M10 6h3M10 14h3',
  completions:
    'M10 2.8l2 1.6 2.6-.2.7 2.5 2.1 1.5-.9 2.4.9 2.4-2.1 1.5-.7 2.5-2.6-.2-2 1.6-2-1.6-2.6.2-.7-2.5-2.1-1.5.9-2.4-.9-2.4 2.1-1.5.7-2.5 2.6.2zM7 10.3l2.1 2.1L13.2 8',
  search: 'M9 3.5a5.5 5.5 0 110 11 5.5 5.5 0 010-11zM13.2 13.2l3.8 3.8',
  plus: 'M10 4v12M4 10h12',
  edit: 'M4 16l.8-3.4L13.4 4l2.6 2.6-8.6 8.6zM11.6 5.8l2.6 2.6',
  sun: 'M10 6.5a3.5 3.5 0 110 7 3.5 3.5 0 010-7zM10 1.8v2M10 16.2v2M1.8 10h2M16.2 10h2M4.2 4.2l1.4 1.4M14.4 14.4l1.4 1.4M4.2 15.8l1.4-1.4M14.4 5.6l1.4-1.4',
  moon: 'M16.5 12.2A7 7 0 117.8 3.5a5.6 5.6 0 008.7 8.7z',
  system: 'M3 4h14v9.5H3zM7.5 17h5M10 13.5V17',
  out: 'M8 3.5H4v13h4M8.5 10H17M13.5 6.5L17 10l-3.5 3.5',
  table: 'M3 4h14v12H3zM3 8h14M3 12h14M8 8v8',
  picture: 'M3 16V9l3-2 3 4 3-6 2 3 3-1v9z',
  back: 'M12 4.5L6.5 10l5.5 5.5',
  down: 'M10 3v10M6 9.5l4 4 4-4M4 17h12',
  close: 'M5 5l10 10M15 5L5 15',
  play: 'M6.5 4.5v11l9-5.5z',
  fast: 'M3.5 5l6 5-6 5zM10.5 5l6 5-6 5z',
  skip: 'M3 10h4M13 10h4M8.5 7.5v5M11.5 7.5v5',
  pause: 'M10 3.2a6.8 6.8 0 110 13.6 6.8 6.8 0 010-13.6zM10 6v4.3l2.8 1.7',
  near: 'M10 3.2a6.8 6.8 0 110 13.6 6.8 6.8 0 010-13.6zM10 3.2v6.8H3.2',
  check: 'M4.5 10.5l3.7 3.7 7.3-8',
  dot: 'M10 8.6a1.4 1.4 0 110 2.8 1.4 1.4 0 010-2.8z',
  alert: 'M10 3.2L17.6 16H2.4zM10 8v3.6M10 13.8h.01',
  lock: 'M5 9h10v7.5H5zM7 9V6.5a3 3 0 016 0V9',
  away: 'M3 12.5a10 10 0 0114 0M6 15a5.8 5.8 0 018 0M3.5 4l13 13',
  empty: 'M3 11l2.5-6.5h9L17 11v5H3zM3 11h4l1 2h4l1-2h4',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 20 20" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  );
}
