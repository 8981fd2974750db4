package store

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// RedisClient connects as cfg says. The caller closes it.
func RedisClient(cfg RedisConfig) (redis.UniversalClient, error) {
	o, err := parseRedisURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	o.ClientName = "hullbeam"
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = cfg.Timeout, cfg.Timeout, cfg.Timeout, cfg.Timeout
	o.ContextTimeoutEnabled = true
	// What has not been answered may have been done: whoever sent it decides.
	o.MaxRetries = -1
	o.DialerRetries = 1
	o.PoolSize = cfg.PoolSize
	if o.TLSConfig != nil {
		o.TLSConfig.InsecureSkipVerify = !cfg.VerifyTLS // #nosec G402 -- as it is configured, and warned about
	}
	return redis.NewUniversalClient(o), nil
}

// MaskRedisURL is a redis_url that may be shown: without the passwords in it.
func MaskRedisURL(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return mask(text)
	}
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	if i := strings.LastIndex(authority, "@"); i >= 0 {
		user, password, both := strings.Cut(authority[:i], ":")
		if !both {
			user, password = "", user
		}
		authority = user + ":" + mask(password) + authority[i:]
	}
	if path, query, ok := strings.Cut(tail, "?"); ok {
		options, err := url.ParseQuery(query)
		if err != nil || options.Has("sentinel_password") {
			query = mask(query) // it may be written in many ways
		}
		tail = path + "?" + query
	}
	return scheme + "://" + authority + tail
}

func mask(secret string) string {
	if secret == "" {
		return ""
	}
	return "********"
}

// parseRedisURL reads scheme://user:password@host:port,…/db?options. No error
// has a part of it that may be secret.
func parseRedisURL(text string) (*redis.UniversalOptions, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return nil, errURL("no scheme: redis://, rediss://, redis+sentinel:// or rediss+sentinel://")
	}
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	o := &redis.UniversalOptions{}
	name, sentinel := strings.CutSuffix(scheme, "+sentinel")
	switch name {
	case "redis":
	case "rediss":
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	default:
		return nil, errURL("unknown scheme: redis, rediss, redis+sentinel or rediss+sentinel")
	}
	var err error
	if i := strings.LastIndex(authority, "@"); i >= 0 {
		if o.Username, o.Password, err = userinfo(authority[:i]); err != nil {
			return nil, err
		}
		authority = authority[i+1:]
	}
	if o.Addrs, err = addresses(authority, sentinel); err != nil {
		return nil, err
	}
	return o, tailOptions(o, tail, sentinel)
}

// errURL is what is wrong with redis_url, without its text.
func errURL(format string, args ...any) error {
	return fmt.Errorf("redis_url: "+format, args...)
}

func userinfo(text string) (user, password string, err error) {
	user, password, both := strings.Cut(text, ":")
	if !both {
		user, password = "", user
	}
	user, userErr := url.PathUnescape(user)
	password, passwordErr := url.PathUnescape(password)
	if userErr != nil || passwordErr != nil {
		return "", "", errURL("user or password is not percent-encoded")
	}
	return user, password, nil
}

func addresses(hosts string, sentinel bool) ([]string, error) {
	port := "6379"
	if sentinel {
		port = "26379"
	}
	var list []string
	for host := range strings.SplitSeq(hosts, ",") {
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), port)
		}
		h, p, err := net.SplitHostPort(host)
		if n, notPort := strconv.Atoi(p); err != nil || h == "" || notPort != nil || n < 1 || n > 65535 {
			return nil, errURL("a host is out of range: host or host:port, separated by commas")
		}
		list = append(list, host)
	}
	return list, nil
}

// tailOptions reads what comes after the hosts: /db?cluster=true, and of
// Sentinel /master/db?sentinel_username=…&sentinel_password=….
func tailOptions(o *redis.UniversalOptions, tail string, sentinel bool) error {
	u, err := url.Parse(tail)
	if err != nil {
		return errURL("path or query is malformed")
	}
	path := strings.Trim(u.Path, "/")
	if sentinel {
		o.MasterName, path, _ = strings.Cut(path, "/")
		if o.MasterName == "" {
			return errURL("Sentinel needs the master's name: redis+sentinel://host:port,…/name")
		}
	}
	if path != "" {
		if o.DB, err = strconv.Atoi(path); err != nil || o.DB < 0 {
			return errURL("the database is out of range: a number from 0")
		}
	}
	for key, values := range u.Query() {
		switch value := values[0]; {
		case key == "cluster" && value == "true" && !sentinel:
			o.IsClusterMode = true
		case key == "sentinel_username" && sentinel:
			o.SentinelUsername = value
		case key == "sentinel_password" && sentinel:
			o.SentinelPassword = value
		default:
			return errURL("unknown option: cluster=true, and with Sentinel sentinel_username and sentinel_password")
		}
	}
	if (o.IsClusterMode || len(o.Addrs) > 1 && !sentinel) && o.DB != 0 {
		return errors.New("redis_url: a Cluster has database 0 alone")
	}
	return nil
}
