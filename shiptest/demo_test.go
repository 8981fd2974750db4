package shiptest

import (
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/emulation"
)

// The demonstration site is played as its visitors would: the dashboard in one tab, the
// shop in another one.
func TestDemonstrationSite(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	browser := newProfile(t)
	shop, dashboard := browser.tab(hear), browser.tab(hear)
	shop.open(b.URL + "/demo/")
	dashboard.open(b.URL + "/demo/dashboard.html")

	reads := func(text string) {
		t.Helper()
		shop.until(fmt.Sprintf(`document.querySelector("main").innerText.includes(%q)`, text))
	}
	oneHero := func() {
		t.Helper()
		shop.same(`[...document.querySelectorAll(".variant")].filter((e) => e.checkVisibility()).length`, "1")
	}
	press := func(words string) {
		t.Helper()
		button := fmt.Sprintf(`[...document.querySelectorAll("button")].find((e) => e.textContent == %q && e.checkVisibility() && !e.disabled)`, words)
		dashboard.until(button)
		dashboard.eval(button + ".click()")
	}
	plan := func(to string) {
		t.Helper()
		dashboard.until(`document.getElementById("person").textContent != "them"`)
		dashboard.eval(fmt.Sprintf(`(() => { const plan = document.querySelector("[name=plan]"); plan.value = %q; plan.dispatchEvent(new Event("change")); })()`, to))
	}

	shop.until(`document.querySelector(".hello").innerText == "Hello, Ada"`)
	reads("One windowsill down")
	reads("You have 80 leaves")
	oneHero()

	plan("pro")
	reads("Welcome back, green thumb")
	reads("€33")
	oneHero()
	dashboard.until(`document.getElementById("told").innerText.includes('plan: "free" → "pro"')`)
	dashboard.until(`document.getElementById("curl").textContent.includes("/demo/hull/users/demo-user")`)
	dashboard.until(`document.getElementById("notify").textContent.includes("--trait 'plan=pro'")`)
	plan("team")
	reads("A jungle for Engines Ltd")
	press("cart")
	reads("Your watering can is still here")
	press("vip")
	reads("The greenhouse is yours, Ada")
	oneHero()
	dashboard.until(`[...document.querySelectorAll("#segments [aria-pressed=true]")].some((e) => e.textContent == "vip")`) // what it does next is to leave
	press("vip")
	reads("Your watering can is still here")

	press("Signed Up")
	dashboard.until(heard("user.update", `e.events.includes("Signed Up")`))

	press("Grace")
	shop.until(`document.querySelector(".hello").innerText == "Hello, Grace"`)
	reads("The greenhouse is yours, Grace")
	reads("delivery is free")

	press("A new guest")
	reads("Plants that stay alive")
	reads("Each order earns leaves")
	oneHero()

	// Signing in has a proof; signing out takes it away.
	shop.eval(`(() => { document.getElementById("email").value = "ada@example.com"; document.getElementById("sign-in").requestSubmit(); })()`)
	shop.until(`document.querySelector(".hello").innerText == "Hello, Ada"`)
	dashboard.until(`document.getElementById("session").textContent.startsWith("Signed in as ada@example.com")`)
	press("Sign out")
	reads("Plants that stay alive")
	shop.until(`!document.querySelector(".hello").checkVisibility()`)

	// Hull gets to know a guest.
	plan("pro")
	reads("Welcome back, green thumb")

	// Each page has what fits, at once.
	shop.open(b.URL + "/demo/pricing.html")
	shop.until(`document.querySelector(".plan.current h2")?.textContent == "Green thumb"`)
	press("Ada")
	shop.until(`document.querySelector(".plan.current h2")?.textContent == "Office jungle"`)
	shop.until(`document.querySelector("[data-hull-attr-href]").getAttribute("href") == "/demo/pricing.html?from=ada"`)
	shop.open(b.URL + "/demo/can.html")
	reads("The price of Engines Ltd.")
	reads("€18")

	shop.eval(`document.getElementById("explain").click()`)
	shop.until(`document.querySelector("main").innerText.includes("<span data-hull-show=\"user.plan = 'team'\" hidden>")`)
	shop.open(b.URL + "/demo/monstera.html")
	reads("€29")

	press("Send the offer")
	shop.until(heard("offer", `e.data.title == "Ten per cent off, today"`))
	dashboard.until(heard("offer", "true"))
}

// An offer is shown in the shop that is looked at.
func TestDemonstrationSiteShowsOffers(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	shop := newProfile(t).tab(hear)
	shop.open(b.URL + "/demo/")
	shop.until(heard("user.update", `e.user.name == "Ada"`))
	b.do("POST", "/demo/offers", `{"to":{"all":true},"data":{"title":"Ten per cent off","text":"Today","url":"/demo/pricing.html","label":"Have a look"}}`)
	shop.until(`[...document.querySelectorAll("*")].some((e) => e.shadowRoot?.textContent.includes("Ten per cent off"))`)
}

// The header fits a phone and a small window, also while it says why it is as it is.
func TestDemonstrationSiteFits(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	b.hull("/users/demo-user", `{"user":{"name":"Wilhelmina-Alexandra"}}`)
	shop := newProfile(t).tab()
	for _, width := range []int64{320, 360, 1000} {
		shop.run(emulation.SetDeviceMetricsOverride(width, 800, 1, false))
		shop.open(b.URL + "/demo/")
		shop.until(`document.querySelector(".hello").innerText == "Hello, Wilhelmina-Alexandra"`)
		for range 2 {
			shop.same(`(() => {
				const hello = document.querySelector(".hello"), links = [...document.querySelectorAll(".top nav a")];
				return [document.documentElement.scrollWidth <= innerWidth, hello.scrollWidth <= hello.clientWidth,
					new Set(links.map((link) => link.getBoundingClientRect().top)).size];
			})()`, "[true,true,1]")
			shop.eval(`document.getElementById("explain").click()`)
		}
	}
}
