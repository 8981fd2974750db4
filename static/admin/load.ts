// Data of a page: loaded when it is shown, and again when asked to.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { list } from "./api";

export type Loaded<T> = { data?: T; error?: Error; busy: boolean; reload: () => void };

const asError = (err: unknown) => (err instanceof Error ? err : new Error(String(err)));

/** Loads what key stands for. What was there stays while the same key is loaded again. */
export function useLoad<T>(key: string, load: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [state, setState] = useState<{ key: string; data?: T; error?: Error; busy: boolean }>({ key, busy: true });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    setState((before) => (before.key === key ? { ...before, busy: true } : { key, busy: true }));
    load(abort.signal).then(
      (data) => abort.signal.aborted || setState({ key, data, busy: false }),
      (err: unknown) => abort.signal.aborted || setState((before) => ({ ...before, error: asError(err), busy: false })),
    );
    return () => abort.abort();
  }, [key, turn]);
  const reload = useCallback(() => setTurn((n) => n + 1), []);
  return { ...(state.key === key ? state : { busy: true }), reload };
}

export type Listed<Item> = { items: Item[]; error?: Error; busy: boolean; next: string; more: () => void; reload: () => void; change: (to: (items: Item[]) => Item[]) => void };

/** Loads a list, page by page. */
export function useList<Item>(path: string): Listed<Item> {
  const [state, setState] = useState<{ path: string; items: Item[]; next: string; error?: Error; busy: boolean }>({ path, items: [], next: "", busy: true });
  const latest = useRef<AbortController>(undefined);
  const read = useCallback(
    (cursor: string) => {
      latest.current?.abort();
      const { signal } = (latest.current = new AbortController());
      setState((before) => (before.path === path ? { path, items: before.items, next: before.next, busy: true } : { path, items: [], next: "", busy: true }));
      list<Item>(path, cursor, signal).then(
        (page) => signal.aborted || setState((before) => ({ path, items: cursor ? [...before.items, ...page.items] : page.items, next: page.next_cursor ?? "", busy: false })),
        (err: unknown) => signal.aborted || setState((before) => ({ ...before, error: asError(err), busy: false })),
      );
    },
    [path],
  );
  useEffect(() => {
    read("");
    return () => latest.current?.abort();
  }, [read]);
  const change = useCallback((to: (items: Item[]) => Item[]) => setState((before) => ({ ...before, items: to(before.items) })), []);
  const shown = state.path === path ? state : { items: [], next: "", busy: true };
  return { ...shown, more: () => read(shown.next), reload: () => read(""), change };
}

/** An action that the operator begins, such as saving: its error, and whether it goes on. */
export function useAction(action: () => Promise<void>) {
  const [state, setState] = useState<{ busy: boolean; error?: Error }>({ busy: false });
  const run = async () => {
    if (state.busy) return;
    setState({ busy: true });
    try {
      await action();
      setState({ busy: false });
    } catch (err) {
      setState({ busy: false, error: asError(err) });
    }
  };
  return { ...state, run };
}
