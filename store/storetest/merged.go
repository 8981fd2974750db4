package storetest

import (
	"time"

	"hullbeam/store"
)

// merged: topics of a merge lead to who they were merged into until they come to lead to
// somebody else, though later writes do not name them.
func (s *suite) merged() {
	put := func(u store.User) store.Written {
		s.Helper()
		u.State = []byte(`{}`)
		written, err := s.Put(s.Context(), "c", []store.User{u})
		if err != nil {
			s.Fatal(err)
		}
		return written[0]
	}
	leads := func(topics ...string) (users []string) {
		s.Helper()
		for _, topic := range topics {
			snap, _, err := s.Find(s.Context(), "c", []string{topic})
			if err != nil {
				snap.UserID = "nobody"
			}
			users = append(users, snap.UserID)
		}
		return users
	}
	put(store.User{ID: "old", Topics: []string{"id:old", "email:old"}})
	put(store.User{ID: "new", Topics: []string{"id:new"}})
	w := put(store.User{ID: "new", Topics: []string{"id:new"}, Merged: []string{"email:old", "id:new", "id:old"}})
	s.diff("of the merge", w.Merged, []string{"email:old", "id:old"})
	put(store.User{ID: "old", Erased: true})
	s.diff("after the merge", leads("id:old", "email:old", "id:new"), []string{"new", "new", "new"})

	w = put(store.User{ID: "new", Topics: []string{"id:new", "email:new"}})
	s.diff("of a later write", w.Merged, []string{"email:old", "id:old"})
	s.diff("that has lost nothing", w.Gone, []string(nil))
	s.again()
	w = put(store.User{ID: "new", Topics: []string{"id:new", "email:old"}})
	s.diff("named and merged", w.Merged, []string{"id:old"})
	s.diff("of one that names less", w.Gone, []string{"email:new"})
	w = put(store.User{ID: "new", Topics: []string{"id:new"}})
	s.diff("named no more, and merged still", w.Merged, []string{"email:old", "id:old"})

	put(store.User{ID: "zoe", Topics: []string{"email:old"}})
	w = put(store.User{ID: "new", Topics: []string{"id:new"}})
	s.diff("after somebody else was given one", w.Merged, []string{"id:old"})
	s.diff("who keeps it", leads("email:old"), []string{"zoe"})
	put(store.User{ID: "zoe"})
	put(store.User{ID: "new", Topics: []string{"id:new"}})
	s.diff("and it is not taken when it is free", leads("email:old", "id:old"), []string{"nobody", "new"})

	old := store.User{ID: "new", Topics: []string{"id:new"}, Merged: []string{"id:late"}, StateAt: time.Unix(1, 0)}
	put(store.User{ID: "new", Topics: []string{"id:new"}, StateAt: time.Unix(2, 0)})
	if w := put(old); !w.Stale || w.Merged != nil {
		s.Errorf("a stale merge: %+v", w)
	}
	s.diff("after a stale merge", leads("id:late"), []string{"nobody"})

	w = put(store.User{ID: "new", Erased: true, StateAt: time.Unix(3, 0)})
	s.diff("of an erasure", w.Gone, []string{"id:new", "id:old"})
	w = put(store.User{ID: "new", Topics: []string{"id:new"}, StateAt: time.Unix(4, 0)})
	s.diff("after an erasure", w.Merged, []string(nil))
	s.diff("nobody", leads("id:old"), []string{"nobody"})
	s.merges(put, leads)
}

// merges into a user at once, and more than are kept.
func (s *suite) merges(put func(store.User) store.Written, leads func(...string) []string) {
	var many []string
	for i := range store.MaxMerged {
		many = append(many, "anonymous_id:"+string(rune('a'+i/26))+string(rune('a'+i%26)))
	}
	put(store.User{ID: "many", Merged: []string{"id:first"}})
	put(store.User{ID: "many", Merged: many})
	s.diff("those that are kept lead, and so do those of before until they are named by nobody",
		leads("id:first", many[0], many[len(many)-1]), []string{"many", "many", "many"})
	put(store.User{ID: "many"})
	s.diff("the latest are kept", leads("id:first", many[0], many[len(many)-1]), []string{"nobody", "many", "many"})

	both := []store.User{{ID: "one", Topics: []string{"id:one"}, State: []byte(`{}`)}, {ID: "one", Merged: []string{"id:two"}, State: []byte(`{}`)}}
	if _, err := s.Put(s.Context(), "c", both); err != nil {
		s.Fatal(err)
	}
	s.diff("in one step", leads("id:one", "id:two"), []string{"nobody", "one"})
}
