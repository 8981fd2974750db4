package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"mime"
	"net/http"
	"time"

	"hullbeam/hull/hulltest"
)

// What is behind the demonstration site of development mode. static/demo has its files.

// demo plays Hull below /hull/, and does what a site's own back end and its operators do:
//
//	POST /sign-in {"email": …}  the identity token of whoever says to be that: no password
//	POST /offers                an offer, as docs/protocol.md has it, without an operator's key
//
// Like hulltest.Control it is for this machine, and for pages of the demonstration site.
// It is nil in production.
func (d *development) demo() http.Handler {
	if d == nil {
		return nil
	}
	mux := http.NewServeMux()
	mux.Handle("/hull/", http.StripPrefix("/hull", hulltest.Control(d.hull)))
	mux.HandleFunc("POST /sign-in", onlyJSON(d.signIn))
	mux.HandleFunc("POST /offers", onlyJSON(d.sendOffer))
	return hulltest.FromThisMachine(mux)
}

// onlyJSON refuses bodies that are not declared as JSON: forms of other sites cannot do that.
func onlyJSON(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
			http.Error(w, "Content-Type is not application/json", http.StatusUnsupportedMediaType)
			return
		}
		next(w, r)
	}
}

// signIn answers the proof that a site's back end gives its pages of who has signed in.
func (d *development) signIn(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Email string `json:"email"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&asked); err != nil || asked.Email == "" {
		http.Error(w, `{"email": …} is missing`, http.StatusBadRequest)
		return
	}
	claims := claimFlags{email: asked.Email}
	token, err := claims.sign(d.identitySecret(), demoConnector, time.Hour)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(map[string]string{"identity_token": token})
}

// sendOffer sends an offer by the operators' own route.
func (d *development) sendOffer(w http.ResponseWriter, r *http.Request) {
	sent := r.Clone(r.Context())
	sent.URL.Path, sent.URL.RawPath = "/api/v1/connectors/"+demoConnector+"/offers", ""
	sent.Header.Set("Authorization", "Bearer "+d.AdminKey)
	d.operators.ServeHTTP(w, sent)
}

// identitySecret is what the demonstration site's back end signs with. It is made of the
// secret, so that data of any age has one.
func (d *development) identitySecret() string {
	mac := hmac.New(sha256.New, []byte(d.Secret))
	mac.Write([]byte("identity tokens of the demonstration site"))
	return hex.EncodeToString(mac.Sum(nil))
}
