import { t } from '../text/en';

export function Brand() {
  return (
    <span class="brand">
      <svg width="28" height="28" viewBox="0 0 32 32" aria-hidden="true">
        <rect width="32" height="32" rx="8" class="brand-tile" />
        <g class="brand-bars">
          <rect x="6" y="9" width="20" height="4" rx="1.5" opacity=".35" />
          <rect x="6" y="9" width="13" height="4" rx="1.5" />
          <rect x="6" y="16" width="20" height="4" rx="1.5" opacity=".35" />
          <rect x="6" y="16" width="7" height="4" rx="1.5" />
          <rect x="17" y="16" width="9" height="4" rx="1.5" />
          <rect x="6" y="23" width="20" height="2" rx="1" opacity=".35" />
        </g>
      </svg>
      <span>{t.product}</span>
    </span>
  );
}
