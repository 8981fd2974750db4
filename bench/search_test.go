package bench

import (
	"errors"
	"testing"
)

func TestSearch(t *testing.T) {
	for _, test := range []struct {
		name               string
		first, limit, want float64
	}{
		{"far above the first", 1000, 11000, 11000},
		{"below the first", 1000, 300, 281.25},
		{"just the first", 1000, 1000, 1000},
		{"none", 1000, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := search(test.first, func(rate float64) (bool, error) { return rate <= test.limit, nil })
			if err != nil || got != test.want {
				t.Errorf("got %v, %v, want %v", got, err, test.want)
			}
		})
	}
	broken := errors.New("broken")
	if _, err := search(1, func(float64) (bool, error) { return false, broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if got, _ := search(1, func(float64) (bool, error) { return true, nil }); got < 1000 {
		t.Errorf("without an end: got %v", got)
	}
}
