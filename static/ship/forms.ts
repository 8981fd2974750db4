// Forms that the site has marked with data-hull-email: what is typed there names the visitor.

import { attempt } from "./page";

/** The field that the attribute names; without a name the form's first one for an email. */
const fieldOf = ({ elements, dataset: { hullEmail } }: HTMLFormElement) =>
  ([...elements] as HTMLInputElement[]).find(({ name, type }) => (hullEmail ? name == hullEmail : type == "email"));

/** Calls `email` with what is in a marked form when it is submitted, whatever the site's own code does then. */
export const forms = (email: (address: string) => void): void =>
  document.addEventListener(
    "submit",
    ({ target }) =>
      attempt(() => {
        const form = target as HTMLFormElement;
        const address = form.dataset.hullEmail != null && fieldOf(form)?.value.trim();
        if (address) email(address);
      }),
    true,
  );
