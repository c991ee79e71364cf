import { type ComponentChildren, render } from 'preact';
import { act } from 'preact/test-utils';
import { vi } from 'vitest';

abstract class Child {
  parent: Element | null = null;
  abstract readonly textContent: string;

  get parentNode(): Element | null {
    return this.parent;
  }
  get nextSibling(): Child | null {
    const siblings = this.parent?.childNodes ?? [];
    return siblings[siblings.indexOf(this) + 1] ?? null;
  }
  remove(): void {
    this.parent?.childNodes.splice(this.parent.childNodes.indexOf(this), 1);
    this.parent = null;
  }
}

class Text extends Child {
  readonly nodeType = 3;
  constructor(public data: string) {
    super();
  }

  get textContent(): string {
    return this.data;
  }
}

/** As much of an element as Preact needs to render into. Nothing is laid out or drawn. */
export class Element extends Child {
  readonly nodeType = 1;
  readonly namespaceURI = 'http://www.w3.org/1999/xhtml';
  readonly ownerDocument = page;
  readonly childNodes: Child[] = [];
  readonly attributes = new Map<string, string>();
  readonly style = {
    values: new Map<string, string>(),
    setProperty(name: string, value: string) {
      this.values.set(name, value);
    },
  };
  readonly clientWidth = 0;
  constructor(readonly localName: string) {
    super();
  }

  get textContent(): string {
    return this.childNodes.map((child) => child.textContent).join('');
  }
  get firstChild(): Child | null {
    return this.childNodes[0] ?? null;
  }
  insertBefore(child: Child, before: Child | null): void {
    child.remove();
    const at = before ? this.childNodes.indexOf(before) : this.childNodes.length;
    this.childNodes.splice(at, 0, child);
    child.parent = this;
  }
  setAttribute(name: string, value: unknown): void {
    this.attributes.set(name, String(value));
  }
  removeAttribute(name: string): void {
    this.attributes.delete(name);
  }
  addEventListener(): void {}

  /** All elements below this one with the name and, if given, the class, in their order. */
  all(name: string, className?: string): Element[] {
    return this.childNodes.flatMap((child) => {
      if (!(child instanceof Element)) return [];
      const classes = child.attributes.get('class')?.split(' ') ?? [];
      const matches =
        child.localName === name && (className === undefined || classes.includes(className));
      return [...(matches ? [child] : []), ...child.all(name, className)];
    });
  }
}

const page = {
  hidden: false,
  createElementNS: (_: string, name: string) => new Element(name),
  createTextNode: (data: string) => new Text(data),
};

/** What is on screen after `children` were rendered and their effects have run. */
export class Page {
  readonly body = new Element('body');

  constructor() {
    page.hidden = false;
    vi.stubGlobal('document', page);
    vi.stubGlobal(
      'ResizeObserver',
      class {
        observe(): void {}
        disconnect(): void {}
      },
    );
  }

  async show(children: ComponentChildren): Promise<void> {
    await act(async () => render(children, this.body as never));
  }
  /** Lets fake timers run for so long, and what they cause. */
  async pass(ms: number): Promise<void> {
    await act(async () => void (await vi.advanceTimersByTimeAsync(ms)));
  }
  set hidden(hidden: boolean) {
    page.hidden = hidden;
  }
  async close(): Promise<void> {
    await this.show(null);
    vi.unstubAllGlobals();
  }
}
