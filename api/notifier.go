package api

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"hullbeam/hull"
	"hullbeam/store"
)

// postNotification answers Hull, in Hull's shape.
func (s *Server) postNotification(c *gin.Context) {
	s.track(notifierHandler, connectorRequest)
	channel, err := s.notification(c)
	class, result := hull.ClassUnsupported, "ok"
	if channel != "" {
		class = hull.ClassifyChannel(channel)
	}
	status, answer := http.StatusOK, hull.Next(channel)
	if err != nil {
		status, answer = hull.Retry(err)
		result = answer.Errors[0].Code
		s.track(notifierError)
	}
	if status >= http.StatusInternalServerError {
		s.track(connectorTransientError)
		s.failed(err, "route", c.FullPath(), "request_id", c.GetString(requestIDKey))
	}
	s.metrics.notifications.WithLabelValues(string(class), result).Inc()
	s.track(notifierResponse)
	c.JSON(status, answer)
}

// notification is the way of a notification: headers, body, who sends it, what
// it says. An error means that nothing may be acknowledged.
func (s *Server) notification(c *gin.Context) (channel string, err error) {
	accepted := time.Now()
	ctx := c.Request.Context()
	if err := s.verifier.CheckHeaders(c.Request.Header); err != nil {
		return "", err
	}
	body, err := readBody(c, s.cfg.Limits.NotificationBody)
	if err != nil {
		return "", bodyError(err)
	}
	n, err := hull.ParseNotification(body, s.cfg.Limits.JSONDepth)
	if err != nil {
		return "", err
	}
	conn, err := s.authenticate(ctx, c.Request.Header, n)
	if err != nil {
		return n.Channel, err
	}
	s.track(notifierProcess)
	if err := s.takeSettings(ctx, conn, n.Connector); err != nil {
		return n.Channel, err
	}
	return n.Channel, s.takeUsers(ctx, conn, n.Messages, n.Skipped, accepted)
}

func bodyError(err error) error {
	if errors.Is(err, errBodyTooLarge) {
		return hull.ErrEntityTooLarge
	}
	return hull.ErrMissingNotification
}

// authenticate leads to the connector that a notification is for. What can be
// told from the body comes before the signature; nothing is fetched or changed
// before the signature holds (docs/hull-protocol.md 3.6).
func (s *Server) authenticate(ctx context.Context, h http.Header, n *hull.Notification) (*connector, error) {
	conn, err := s.connectors.find(ctx, n.Configuration.ID)
	known := err == nil
	if !known && !errors.Is(err, errUnknownConnector) {
		return nil, err
	}
	if known {
		err = matches(conn, n.Configuration)
	} else {
		err = s.mayLearn(n.Configuration)
	}
	if err != nil {
		return nil, err
	}
	if err := s.verifier.Verify(ctx, h, n.ID); err != nil {
		return nil, err
	}
	if !known {
		return s.learn(ctx, n)
	}
	return conn, nil
}

// matches compares a body's credentials with the registered ones. The secret is
// a second factor, since the body is not signed.
func matches(conn *connector, c hull.Configuration) error {
	cred := conn.credentials()
	if cred.Organization != "" && !strings.EqualFold(cred.Organization, c.Organization) {
		return hull.ErrInvalidConfiguration.Because("the connector belongs to another organization")
	}
	if cred.Secret == "" || subtle.ConstantTimeCompare([]byte(cred.Secret), []byte(c.Secret)) != 1 {
		return hull.ErrInvalidConfiguration.Because("the secret is not the connector's")
	}
	return nil
}

// shipID is what Hull's own ids look like.
var shipID = regexp.MustCompile(`^[0-9a-fA-F]{24}$`)

// mayLearn tells whether a connector nobody knows is one to ask Hull about.
func (s *Server) mayLearn(c hull.Configuration) error {
	if !shipID.MatchString(c.ID) {
		return hull.ErrInvalidConfiguration.Because("an unknown connector's id has 24 hex digits")
	}
	if !hull.HostUnder(c.Organization, s.cfg.Hull.Organizations) {
		return hull.ErrInvalidConfiguration.Because("the organization is not among those that connectors are accepted from")
	}
	return nil
}

// learn registers a connector on first contact, when Hull says that its
// credentials are good (docs/hull-protocol.md 3.6).
func (s *Server) learn(ctx context.Context, n *hull.Notification) (*connector, error) {
	known, err := s.store.Connectors(ctx)
	if err != nil && !errors.Is(err, store.ErrSealed) && !errors.Is(err, store.ErrNewer) { // the others count all the same
		return nil, err
	}
	if len(known) >= s.cfg.Hull.MaxConnectors {
		return nil, hull.ErrInvalidConfiguration.Because(fmt.Sprintf("this installation has its %d connectors", len(known)))
	}
	cred := hull.Credentials{ConnectorID: n.Configuration.ID, Organization: n.Configuration.Organization, Secret: n.Configuration.Secret}
	app, err := s.hull.App(ctx, cred)
	if errors.Is(err, hull.ErrNotFound) || errors.Is(err, hull.ErrRefused) {
		return nil, hull.ErrInvalidConfiguration.Because("Hull does not know the connector by these credentials")
	} else if err != nil {
		s.log.Warn("Hull cannot be asked about a new connector", "connector", cred.ConnectorID, "error", err)
		return nil, fmt.Errorf("asking Hull about a new connector: %w", err)
	}
	said, err := hull.ParseConnector(app)
	if err != nil || said.ID != cred.ConnectorID {
		return nil, hull.ErrInvalidConfiguration.Because("Hull's answer is about another connector")
	}
	conn, _, err := s.connectors.change(ctx, store.Connector{
		ID: cred.ConnectorID, Organization: cred.Organization, Secret: cred.Secret,
		Settings: said.Settings, PrivateSettings: said.PrivateSettings, UpdatedAt: said.UpdatedAt,
	})
	if err != nil {
		return nil, err
	}
	s.log.Info("connector learnt", "connector", conn.id)
	return conn, nil
}

// takeSettings keeps the settings that every notification brings, and applies
// them when they are new.
func (s *Server) takeSettings(ctx context.Context, conn *connector, said *hull.ConnectorState) error {
	if said == nil || said.Settings == nil && said.PrivateSettings == nil {
		return nil
	}
	conn.mu.RLock()
	record := conn.record
	conn.mu.RUnlock()
	record.UpdatedAt = said.UpdatedAt
	if said.Settings != nil {
		record.Settings = bytes.Clone(said.Settings) // it is a part of the whole body, which would stay
	}
	if said.PrivateSettings != nil {
		record.PrivateSettings = bytes.Clone(said.PrivateSettings)
	}
	_, changed, err := s.connectors.change(ctx, record)
	if err != nil {
		return err
	}
	if changed {
		s.log.Info("settings changed", "connector", conn.id)
		ctx := context.WithoutCancel(ctx)
		s.applySettings(ctx, conn)
		if s.cluster != nil {
			s.cluster.tellSettings(ctx, conn.id)
		}
	}
	return nil
}

// takeUsers stores the users of messages in one step and publishes them.
func (s *Server) takeUsers(ctx context.Context, conn *connector, messages []hull.Message, skipped []hull.Skip, accepted time.Time) error {
	for range skipped {
		s.track(userStart, userFailed)
		s.metrics.updates.WithLabelValues("invalid").Inc()
	}
	if len(skipped) > 0 {
		first := skipped[0]
		s.log.Warn("messages skipped", "connector", conn.id, "count", len(skipped), "first", first.Index, "reason", first.Reason)
	}
	if len(messages) == 0 {
		return nil
	}
	users, of := s.states(messages, accepted)
	written, err := s.store.Put(ctx, conn.id, users)
	if err != nil {
		return fmt.Errorf("keeping %d users: %w", len(users), err)
	}
	if s.storeFails.Load() && s.storeFails.Swap(false) {
		s.log.Info("the store works again")
	}
	conn.mu.RLock()
	defer conn.mu.RUnlock()
	for i, at := range of {
		s.track(userStart)
		result := "stale"
		switch {
		case at < 0 || written[at].Stale:
		case s.cluster != nil:
			result = "published" // by the step that wrote it; it comes back over the bus
		default:
			result = s.publish(conn, state{
				message: &messages[i], version: written[at].Version, topics: users[at].Topics, gone: written[at].Gone, accepted: accepted,
			})
		}
		s.metrics.updates.WithLabelValues(result).Inc()
	}
	return nil
}

// publish sends a state to the streams that follow its user. conn.mu is held by
// the caller.
func (s *Server) publish(conn *connector, st state) (result string) {
	s.track(outgoingStart)
	if !s.broker.Reaches(conn.id, st.topics) && !s.broker.Reaches(conn.id, st.gone) {
		s.track(outgoingError) // the predecessors' "no rooms"
		return "no_listener"
	}
	p, result := s.publication(conn, st)
	if result == "private" {
		s.track(outgoingSkip)
		s.broker.Publish(conn.id, p)
		return result
	}
	s.track(outgoingSend)
	if s.broker.Publish(conn.id, p) == 0 && result == "sent" {
		return "no_listener" // it follows somebody else, or has just left
	}
	s.track(outgoingSuccess)
	return result
}
