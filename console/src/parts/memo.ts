import { Component, type ComponentChildren, type FunctionComponent, h } from 'preact';

/** Draws again only when a property is another one. */
export function memo<P extends object>(
  inner: (properties: P) => ComponentChildren,
): FunctionComponent<P> {
  class Memo extends Component<P> {
    override shouldComponentUpdate(next: P): boolean {
      const now = this.props as Record<string, unknown>;
      const then = next as Record<string, unknown>;
      for (const name in then) if (!Object.is(now[name], then[name])) return true;
      for (const name in now) if (!(name in then)) return true;
      return false;
    }
    render(properties: P) {
      return h(inner as FunctionComponent<P>, properties);
    }
  }
  return Memo as unknown as FunctionComponent<P>;
}
