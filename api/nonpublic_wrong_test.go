package api_test

import (
	"net/url"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// askWrongly sends what is refused, with texts in it that nobody may be told. No answer
// has any of them.
func (p *public) askWrongly() {
	const asJSON, fromPage = "Content-Type: application/json", "Origin: " + page
	x := func() string { return p.text(nobody) }
	broken := `{"claims":{"email":"` + x() + `"},"identity_token":` + p.value(nobody, 0) + x()
	forged := identityToken("another", jwt.MapClaims{"email": x()})
	mine := identityToken(p.identitySecret, jwt.MapClaims{"email": 5, "external_id": []string{x()}})
	p.hush = append(p.hush, forged, mine)
	query := "?organization=" + org + "&ship=" + p.id + "&secret="
	for _, c := range []struct {
		path, body string
		headers    []string
	}{
		{p.path("/token"), broken, []string{asJSON, fromPage}},
		{p.path("/token"), `{"claims":[` + p.value(nobody, 0) + `]}`, []string{asJSON, fromPage}},
		{p.path("/token"), `{"claims":{"email":[` + p.value(nobody, 0) + `],"` + x() + `":1}}`, []string{asJSON, fromPage}},
		{p.path("/token"), `{"claims":{"anonymous_id":"` + strings.Repeat(x(), 100) + `"}}`, []string{asJSON, fromPage}},
		{p.path("/token"), `{"page":{"url":[` + p.value(nobody, 0) + `]}}`, []string{asJSON, fromPage}},
		{p.path("/token"), `{"visitor_key":73190731907319073190}`, []string{asJSON, fromPage}},
		{p.path("/token"), `{"identity_token":"` + forged + `"}`, []string{asJSON, fromPage}},
		{p.path("/token"), `{"identity_token":"` + mine + `"}`, []string{asJSON, fromPage}},
		{p.path("/token"), `{"identity_token":"` + x() + `","user_hash":"` + x() + `"}`, []string{asJSON, fromPage}},
		{p.path("/token"), `{}`, []string{"Content-Type: text/" + x(), fromPage}},
		{p.path("/token"), `{}`, []string{asJSON, "Origin: https://" + x() + ".example"}},
		{"/api/v1/connectors/" + x() + "/token", `{}`, []string{asJSON, fromPage}},
		{p.path("/token?") + x(), strings.Repeat(x(), 10_000), []string{asJSON, fromPage}},
		{"/api/v1/pages", `{"token":"` + x() + `","url":"` + x() + `"}`, []string{asJSON, fromPage}},
		{"/api/v1/pages", `{"token":73190731907319073190}`, []string{asJSON, fromPage}},
		{"/api/v1/visitors/email", `{"token":"` + x() + `","email":"` + x() + `"}`, []string{asJSON, fromPage}},
		{"/api/v1/offers/" + x() + "/receipt", `{"token":"` + x() + `","event":"` + x() + `"}`, []string{asJSON, fromPage}},
		{"/api/v1/session", `{"key":"` + x() + `"}`, []string{asJSON}},
		{"/api/v1/session", `{"` + x() + `":` + p.value(nobody, 0) + x(), []string{asJSON}},
		{"/api/v1/connectors/" + x() + "/users", broken, []string{adminKey}},
		{p.path("/users"), broken, []string{adminKey}},
		{p.path("/users"), `"` + x() + `"`, []string{adminKey}},
		{p.path("/users"), `{"user":` + p.person("wrong", "") + x(), []string{adminKey}},
		{p.path("/users"), p.message("wrong"), []string{"Authorization: Bearer " + x(), "Cookie: hullbeam_session=" + x()}},
		{p.path("/offers"), `{"to":{"` + x() + `":"` + x() + `"},"data":` + p.value(nobody, 0) + `}`, []string{adminKey}},
		{p.path("/offers"), `{"to":{"topic":"` + x() + `"},"data":` + p.value(nobody, 0) + `,"expires_in":"` + x() + `"}`, []string{adminKey}},
		{p.path("/offers"), `{"to":{"all":true},"data":"` + strings.Repeat(x(), 2000) + `"}`, []string{adminKey}},
		{p.path("/offers"), `{"to":[` + p.value(nobody, 0) + `],"id":` + p.value(nobody, 0) + `}`, []string{adminKey}},
		{"/smart-notifier", `{"messages":[` + p.message("wrong") + `]}`, []string{asJSON, "Hull-Smart-Notifier: 1"}},
		{"/smart-notifier", broken, p.signature(x())},
		{"/smart-notifier", `{"notification_id":"` + x() + `","configuration":{"id":"` + p.id + `","secret":"` + x() + `"},"messages":[]}`, p.signature(x())},
		{"/smart-notifier", `{"configuration":` + p.value(nobody, 0) + `,"channel":` + p.value(nobody, 0) + `}`, p.signature(x())},
		{"/smart-notifier", `{"Type":"Notification","Message":` + p.value(nobody, 0) + `}`, []string{"X-Amz-Sns-Message-Type: Notification"}},
		{"/batch" + query + x(), `{"url":"https://` + x() + `.example"}`, []string{asJSON}},
		{"/batch" + query + url.QueryEscape(p.secret), `{"url":"https://` + x() + `.example/` + x() + `"}`, []string{asJSON}},
		{"/batch" + query + url.QueryEscape(p.secret), `{"url":` + p.value(nobody, 0) + x(), []string{asJSON}},
		{"/status" + query + x(), broken, []string{asJSON}},
		{"/status?token=" + forged, broken, []string{asJSON}},
		{"/install/code" + query + x(), broken, []string{asJSON}},
	} {
		r := p.do("POST", c.path, c.body, append(c.headers, "X-Request-Id: "+x())...)
		if r.status < 400 {
			p.t.Errorf("%s %.200s: %d %s", c.path, c.body, r.status, r.body)
		}
		p.wantHushed("the answer to "+c.path+" "+c.body[:min(len(c.body), 300)], p.textOf(r))
	}
	p.getWrongly(x)
}

func (p *public) getWrongly(x func() string) {
	for _, path := range []string{
		"/" + x(), "/docs/" + x(), "/docs/errors/" + x(), "/ship/" + x(), "/admin/" + x(), "/install/files/" + x(), "/api/v1/" + x(),
		"/api/v1/stream?token=" + x() + "&last_event_id=" + x(), "/api/v1/connectors/" + x(), p.path("/" + x()), p.path("/users/email:" + x()),
		p.path("/visitors?cursor=" + x() + "&q=" + x() + "&limit=" + x()), p.path("/offers?cursor=" + x()), p.path("/audit?cursor=" + x() + "&limit=1"),
		p.path("/visitors/" + x()), p.path("/visitors/v_" + x() + "/pages?cursor=" + x()), p.path("/offers/" + x()),
		"/status?ship=" + x(), "/install/check?token=" + x(), "/metrics?" + x(), "/debug/pprof/" + x(),
	} {
		for _, key := range []string{adminKey, "Authorization: Bearer " + x(), "Last-Event-ID: " + x()} {
			if key == adminKey && strings.Contains(path, "/users/") {
				continue // which repeats the topic to operators
			}
			p.wantHushed("the answer to "+path, p.answer("GET", path, "", key))
		}
	}
}

// signature are the headers of a notification of this id.
func (p *public) signature(id string) (headers []string) {
	for name, values := range p.key.Headers(id, "https://"+org+"/test/public-key", p.now()) {
		headers = append(headers, name+": "+values[0])
	}
	return headers
}
