package store

import "github.com/redis/go-redis/v9"

var (
	DecodeUser      = decodeUser
	DecodeTopicUser = decodeTopicUser
)

// DecodeConnector reads a record without its secrets.
func DecodeConnector(data string) error {
	s := &Redis{sealer: noSealer{}}
	_, err := s.connector("c", data)
	return err
}

type noSealer struct{}

func (noSealer) Seal(plaintext, _ []byte) []byte       { return plaintext }
func (noSealer) Open(sealed, _ []byte) ([]byte, error) { return sealed, nil }

// AddHook has the client call hook for everything that it sends.
func (s *Redis) AddHook(hook redis.Hook) { s.client.AddHook(hook) }
