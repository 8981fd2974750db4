// Marked elements: data-hull-show, -hide, -text, -attr-*, -class (docs/attributes.md).

import { isFalse, valueOf } from "./grammar";
import { attempt } from "./page";
import type { Update } from "./types";

/** What a connector knows of the visitor; "": the page's first connector. */
type StateOf = (connector: string) => Update | undefined;

/** An element keeps by place what its author wrote there, and what the snippet wrote instead, as a text. */
const kept = Symbol();
interface Marked extends HTMLElement {
  [kept]?: Record<string, [author: unknown, ours: string] | undefined>;
}

/**
 * What a trait may not write, as element, attribute and scheme: elements that run, fetch or
 * embed; attributes that run, style, or name things for the page's scripts; addresses.
 */
const unsafe =
  /^(script|style|object|embed|base|link|meta|set|animate.*|i?frame) | (on.*|srcdoc|style|id|name) | \S*(href|src|action|poster|data|ping) (?!https?:|mailto:|tel:)/;

/** Whether a trait may stand there. An address is judged as the browser resolves it, not as it is spelled. */
const isSafe = (element: Element, attribute: string, value: string): boolean =>
  !unsafe.test(element.localName + " " + attribute + " " + attempt(() => new URL(value, document.baseURI).protocol));

/**
 * Has content written in a place where there is now another; undefined: what the author
 * had there.
 */
const put = <T>(element: Marked, place: string, now: T, content: T | undefined, write: (content: T) => unknown, author = now): void => {
  const places = (element[kept] ||= {}), [before, ours] = places[place] || [];
  // What the page itself has written since is the author's.
  if (ours == "" + now) author = before as T;
  places[place] = content === undefined ? undefined : [author, "" + content];
  if (content === undefined ? ours : "" + content != "" + now) write(content ?? author);
};

const putStyle = (element: Marked, name: string, value: string, isOn: unknown): void => {
  const { style } = element, ours = [value, "important"], now = [style.getPropertyValue(name), style.getPropertyPriority(name)];
  // Where ours stands before it is written, the element is a copy of one that had it.
  put(element, name, now, isOn ? ours : undefined, (content) => style.setProperty(name, ...(content as [string, string])), "" + now == "" + ours ? [""] : now);
};

const putClasses = (element: Marked, list: string, state: Update | undefined): void => {
  for (const [, name, condition] of list.matchAll(/([^\s;]+):\s(('[^']*'|"[^"]*"|[^;])*)/g)) {
    const is = state && valueOf(condition!, state);
    put(element, "." + name, element.classList.contains(name!), is === undefined ? is : !isFalse(is), (is) => element.classList.toggle(name!, is));
  }
};

/** Shows a state in an element, or what its author wrote. */
const apply = (element: Marked, stateOf: StateOf, isWaiting: boolean): void => {
  let state: Update | undefined, isHidden: unknown, isMarked;
  for (const { name, value } of [...element.attributes]) {
    const [, what, attribute = ""] = /^data-hull-(show|hide|text|class|attr-(.+))$/.exec(name) || [];
    if (!what) continue;
    state = stateOf(element.closest<HTMLElement>("[data-hull-connector]")?.dataset.hullConnector || "");
    isMarked = true;
    if (what == "class") putClasses(element, value, state);
    else {
      const is = valueOf(value, state), isOff = isFalse(is);
      if (what == "show") {
        isHidden ||= isOff;
        // It is there for those whom no script ever tells.
        element.removeAttribute("hidden");
      } else if (what == "hide") isHidden ||= !isOff;
      else {
        const text = typeof is == "object" ? "" : `${is ?? ""}`;
        const content = state && text && isSafe(element, attribute, text) ? text : undefined;
        put<unknown>(
          element,
          "@" + attribute,
          attribute ? element.getAttribute(attribute) : element.textContent,
          content,
          (content) =>
            !attribute ? element.replaceChildren(...([content].flat() as Node[])) : content == null ? element.removeAttribute(attribute) : element.setAttribute(attribute, content as string),
          attribute ? undefined : [...element.childNodes],
        );
      }
    }
  }
  if (!isMarked) return;
  putStyle(element, "display", "none", isHidden);
  // A page that is all of it invisible would be a blank one.
  putStyle(element, "visibility", "hidden", isWaiting && !state && !element.contains(document.body));
};

/**
 * Follows the document and whatever is added to it. The answer shows the state in all
 * marked elements; while waiting, those of a connector without a state keep their space
 * and are not seen.
 */
export const attributes = (stateOf: StateOf): ((waiting: boolean) => void) => {
  let isWaiting = false;
  const scan = (root: Element): void => {
    for (const element of [root, ...root.querySelectorAll("*")]) attempt(() => apply(element as Marked, stateOf, isWaiting));
  };
  // Called before what was added is painted, also what the snippet itself adds, which is
  // found as it should be.
  new MutationObserver((records) =>
    new Set<Node | null>(records.flatMap((record) => [...record.addedNodes])).forEach((node, _, added) => {
      if (node!.nodeType == 1 && !added.has(node!.parentNode)) scan(node as Element);
    }),
  ).observe(document, { childList: true, subtree: true });
  document.documentElement.dataset.hullReady = "";
  return (waiting) => {
    isWaiting = waiting;
    scan(document.documentElement);
  };
};
