import { t } from '../text/en';

/** Which attempt it is; nothing to see before the first reset. */
export const Attempt = ({ n }: { n: number }) => (
  <small class="attempt" title={t.attemptHint}>
    {n > 1 ? t.attempt(n) : ''}
  </small>
);
