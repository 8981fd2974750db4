// What a page does not need first.

export { push } from "./destinations";
export { forms } from "./forms";
export { active, live } from "./life";
export { offer } from "./offers";
export { ownId } from "./own";
export { onRoute } from "./routes";
export { run } from "./script";
export { share } from "./tabs";
export { email, receipt, views } from "./visitor";
