package api

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"hullbeam/hull"
	"hullbeam/store"
)

// authenticate leads to the connector that a notification with these credentials is
// for. What can be told from them comes before the signature, which verify checks;
// nothing else is fetched, and nothing changed, before that holds
// (docs/hull-protocol.md 3.6). teaches is whether the signature says that the sender is
// Hull: if not, it may be a known connector's alone, by the secret that is known.
func (s *Server) authenticate(c *gin.Context, said hull.Configuration, teaches bool, verify func() error) (*connector, error) {
	ctx := c.Request.Context()
	conn, err := s.connectors.find(ctx, said.ID)
	known := err == nil
	switch {
	case known:
		err = sameOrganization(conn, said)
	case errors.Is(err, errUnknownConnector) && !teaches:
		err = errNotKnown
	case errors.Is(err, errUnknownConnector):
		err = s.mayLearn(said)
	}
	if err != nil {
		return nil, err
	}
	if known && (!teaches || conn.credentials().Organization == "") { // without organization it does not stand on Hull, which could say that a new one is good
		if err := s.hasSecret(c, conn, said, errOtherSecret); err != nil {
			return nil, err
		}
	}
	rotated := known && !sameSecret(conn, said)
	if err := verify(); err != nil {
		if known && !rotated { // who does not have the secret could be anybody
			s.markBadSignature(conn, err)
		}
		return nil, err
	}
	switch {
	case !known:
		return s.learn(ctx, said)
	case rotated:
		return conn, s.rotate(ctx, conn, said)
	}
	return conn, nil
}

// Credentials that are refused as they are.
var (
	errNotKnown    error = hull.ErrInvalidConfiguration.Because("no connector is known by them")
	errOtherSecret error = hull.ErrInvalidConfiguration.Because("the secret is not the connector's")
)

// sameOrganization and sameSecret compare a body's credentials with the registered
// ones. The secret is a second factor, since the body is not signed.
func sameOrganization(conn *connector, c hull.Configuration) error {
	organization := conn.credentials().Organization
	if organization != "" && !strings.EqualFold(organization, c.Organization) {
		return hull.ErrInvalidConfiguration.Because("the connector belongs to another organization")
	}
	return nil
}

func sameSecret(conn *connector, c hull.Configuration) bool {
	secret := conn.credentials().Secret
	return secret != "" && subtle.ConstantTimeCompare([]byte(secret), []byte(c.Secret)) == 1
}

// rotate takes a connector's new secret, when Hull says that it is good: else a secret
// that was changed in Hull would lock the connector out.
func (s *Server) rotate(ctx context.Context, conn *connector, c hull.Configuration) error {
	if !conn.rotations.may(c.Secret, s.now()) {
		return hull.ErrUnavailable.Because("the connector's new secret, or too many others, were checked less than a minute ago")
	}
	cred := conn.credentials()
	cred.Secret = c.Secret
	if _, err := s.askApp(ctx, cred); err != nil {
		return err
	}
	err := s.editConnector(ctx, conn, func(known profile) store.Connector {
		record := known.record
		record.Secret = c.Secret
		return record
	})
	if errors.Is(err, errOutdated) {
		return hull.ErrUnavailable.Because("the connector is being changed")
	} else if err != nil {
		return err
	}
	s.log.Info("connector has a new secret", "connector", conn.id)
	return nil
}

// shipID is what Hull's own ids look like.
var shipID = regexp.MustCompile(`^[0-9a-fA-F]{24}$`)

// mayLearn tells whether a connector nobody knows is one to ask Hull about.
func (s *Server) mayLearn(c hull.Configuration) error {
	if !shipID.MatchString(c.ID) {
		return hull.ErrInvalidConfiguration.Because("an unknown connector's id has 24 hex digits")
	}
	if !s.accepts(c.Organization) {
		return hull.ErrInvalidConfiguration.Because("the organization is not among those that connectors are accepted from")
	}
	return nil
}

// accepts tells whether connectors are accepted from an organization. One with a port,
// as a mock of Hull on the developer's machine has, must be listed itself, and is
// accepted only where nothing is verified anyway.
func (s *Server) accepts(organization string) bool {
	if hull.HostUnder(organization, s.cfg.Hull.Organizations) {
		return true
	}
	listed := slices.ContainsFunc(s.cfg.Hull.Organizations, func(o string) bool { return strings.EqualFold(o, organization) })
	return listed && !s.verifier.Verifies()
}

// learn registers a connector on first contact, when Hull says that its
// credentials are good (docs/hull-protocol.md 3.6).
func (s *Server) learn(ctx context.Context, c hull.Configuration) (*connector, error) {
	known, err := s.store.Connectors(ctx)
	if err != nil && !errors.Is(err, store.ErrSealed) && !errors.Is(err, store.ErrNewer) { // the others count all the same
		return nil, err
	}
	if len(known) >= s.cfg.Hull.MaxConnectors {
		return nil, hull.ErrInvalidConfiguration.Because(fmt.Sprintf("this installation has its %d connectors", len(known)))
	}
	said, err := s.askApp(ctx, hull.Credentials{ConnectorID: c.ID, Organization: c.Organization, Secret: c.Secret})
	if err != nil {
		return nil, err
	}
	conn, learnt, err := s.connectors.learn(ctx, store.Connector{
		ID: c.ID, Organization: c.Organization, Secret: c.Secret,
		Settings: said.Settings, PrivateSettings: said.PrivateSettings, UpdatedAt: said.UpdatedAt,
	})
	switch {
	case err != nil:
		return nil, err
	case !learnt && (sameOrganization(conn, c) != nil || !sameSecret(conn, c)):
		return nil, hull.ErrUnavailable.Because("the connector has just become known by other credentials")
	case !learnt:
		return conn, nil
	}
	s.mark(conn, markSettings)
	s.mark(conn, markAnswered)
	s.log.Info("connector learnt", "connector", conn.id)
	return conn, nil
}

// askApp asks Hull about the connector of cred, which its answer proves to be good. A
// NotificationError: it is not; else Hull cannot be asked.
func (s *Server) askApp(ctx context.Context, cred hull.Credentials) (*hull.ConnectorState, error) {
	app, err := s.hull.App(ctx, cred)
	if errors.Is(err, hull.ErrNotFound) || errors.Is(err, hull.ErrRefused) {
		return nil, hull.ErrInvalidConfiguration.Because("Hull does not know the connector by these credentials")
	} else if err != nil {
		s.log.Warn("Hull cannot be asked about a connector", "connector", cred.ConnectorID, "error", err)
		return nil, fmt.Errorf("asking Hull about a connector: %w", err)
	}
	said, err := hull.ParseConnector(app)
	if err != nil || said.ID != cred.ConnectorID {
		return nil, hull.ErrInvalidConfiguration.Because("Hull's answer is about another connector")
	}
	return said, nil
}
