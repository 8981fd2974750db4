// What the operator may do here: who has a key that only reads is not offered changes.

import { type ComponentChildren, createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Session } from "./types";

export const Scope = createContext<Session["scope"]>("read");

/** What is for those who may change something. The server refuses others whatever is shown. */
export const Changes = ({ children }: { children: ComponentChildren }) => <>{useContext(Scope) === "write" && children}</>;
