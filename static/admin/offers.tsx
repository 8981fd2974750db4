// The offers that were sent, and what became of them.

import { useEffect, useState } from "preact/hooks";
import { get, now, of } from "./api";
import { Bars } from "./charts";
import { useLive } from "./live";
import { useList } from "./load";
import { OfferDialog, meaning } from "./offer";
import { Busy, Code, Empty, More, Problem, Text, Time } from "./parts";
import { Changes } from "./scope";
import type { Counts, Offer } from "./types";

const steps: [keyof Counts, string][] = [
  ["sent", "Sent"],
  ["delivered", "Delivered"],
  ["seen", "Seen"],
  ["clicked", "Clicked"],
  ["dismissed", "Dismissed"],
  ["capped", "Capped"],
];

export function Offers({ connector }: { connector: string }) {
  const path = of(connector, "offers");
  const offers = useList<Offer>(path);
  const live = useLive(connector);
  const [sending, setSending] = useState(false);
  const unknown = [...live.offers.keys()].filter((id) => !offers.items.some((offer) => offer.id === id)).join();
  useEffect(() => {
    // Offers that were sent since: each is read by itself, and none twice.
    for (const id of unknown.split(",").filter(Boolean))
      get<Offer>(of(connector, "offers", id)).then(
        (offer) => offers.change((items) => (items.some((item) => item.id === id) ? items : [offer, ...items])),
        () => {}, // it was erased, or is of the next page
      );
  }, [unknown]);
  return (
    <>
      <div class="title">
        <h1 tabIndex={-1}>Offers</h1>
        <Changes>
          <button type="button" class="main" onClick={() => setSending(true)}>
            Send an offer
          </button>
        </Changes>
      </div>
      <Problem error={offers.error} retry={offers.reload} />
      {!offers.items.length &&
        (offers.busy ? (
          <Busy what="the offers" />
        ) : (
          !offers.error && (
            <Empty title="No offer was sent yet">
              <p>
                An offer is a message to those who are on the site, or come to it: to one visitor, a segment, everyone on a page. The snippet shows it as a banner
                when it has <code>data-offers="banner"</code>.{" "}
                <a href="/docs/personalization" target="_blank" rel="noopener">
                  How pages show offers
                </a>
              </p>
            </Empty>
          )
        ))}
      <ul class="cards">
        {offers.items.map((offer) => (
          <OfferCard key={offer.id} offer={{ ...offer, ...live.offers.get(offer.id) }} />
        ))}
      </ul>
      <More {...offers} />
      {sending && <OfferDialog connector={connector} to={{ all: true }} live={live} close={() => setSending(false)} />}
    </>
  );
}

function OfferCard({ offer }: { offer: Offer }) {
  const [open, setOpen] = useState(false);
  const expired = Date.parse(offer.expires_at) < now();
  const title = titleOf(offer);
  return (
    <li class="panel">
      <h2>
        <Text of={title} />
      </h2>
      <p class="quiet">
        To <Text of={meaning(offer.to)} /> · {offer.operator && <>by <Text of={offer.operator} /> · </>}<Time at={offer.sent_at} /> · {expired ? "expired" : "expires"} <Time at={offer.expires_at} />
      </p>
      <dl class="counts">
        {steps.map(([step, label]) => (
          <div key={step} class={step}>
            <dt>{label}</dt>
            <dd>
              {(offer[step] ?? 0).toLocaleString()}
              {step !== "sent" && offer.sent > 0 && step !== "capped" && <small> {Math.round((100 * (offer[step] ?? 0)) / offer.sent)} %</small>}
            </dd>
          </div>
        ))}
      </dl>
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>Funnel and data</summary>
        {open && (
          <>
            <Bars label={"Funnel of the offer " + title} rows={steps.map(([step, label]) => [label, offer[step] ?? 0])} />
            <Code json={offer.data} />
            <p class="quiet">
              Id <code>{offer.id}</code>
            </p>
          </>
        )}
      </details>
    </li>
  );
}

function titleOf({ data, id }: Offer): string {
  if (typeof data === "string") return data;
  if (data && typeof data === "object" && !Array.isArray(data))
    for (const name of ["title", "text"]) {
      const value = data[name];
      if (typeof value === "string" && value) return value;
    }
  return "Offer " + id;
}
