import htm from 'htm';
import { type ComponentType, h, type VNode } from 'preact';

/**
 * Markup as tagged templates; values are text and are escaped by the renderer. Components go in as
 * `${view(Component, props)}`, so that their properties are checked.
 */
export const html = htm.bind(h) as (strings: TemplateStringsArray, ...values: unknown[]) => VNode;

type Child = VNode | string | null;

/** A component with its properties; `key` tells it from its siblings. */
export function view<P extends object>(
  component: ComponentType<P> | ((props: P) => VNode | null),
  props: NoInfer<P> & { key?: string | number },
  ...children: Child[]
): VNode {
  return h(component as ComponentType<object>, props, ...children) as VNode;
}
