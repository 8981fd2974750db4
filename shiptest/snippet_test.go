package shiptest

import "testing"

// visitor makes the page's visitor somebody whom the pretend Hull knows: Segment has stored
// the anonymous id of demo-user. It is a script for profile.tab.
const visitor = `try { localStorage.ajs_anonymous_id ||= '"demo-visitor-0001"' } catch {}`

// A page with the snippet is told who its visitor is, and of what changes.
func TestUpdates(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear, visitor)
	page.open(s.page("/", b.snippet("")))
	page.until(heard("user.update", `e.user.name == "Ada"`))
	page.same(`heard.find(([name]) => name == "user.update")[1].changes`,
		`{"user":{"id":[null,"demo-user"],"invite_url":[null,"/demo/pricing.html?from=ada"],"name":[null,"Ada"],"plan":[null,"free"],"points":[null,80]},"account":{"name":[null,"Engines Ltd"]},"segments":{"entered":[],"left":[]},"account_segments":{"entered":[],"left":[]}}`)
	b.hull("/users/demo-user", `{"user":{"plan":"team"},"enter":["vip"]}`)
	page.until(heard("segment.enter", `e.segment == "vip"`))
	page.same(`heard.filter(([name]) => name == "user.update")[1][1].changes.user`, `{"plan":["free","team"]}`)
	page.open(s.page("/next", b.snippet("")))
	page.until(heard("status", `e.state == "open"`))
	page.same(`heard.filter(([name]) => name == "user.update").map(([, e]) => [e.user.plan, e.changes])`, `[["team",null]]`)
}
