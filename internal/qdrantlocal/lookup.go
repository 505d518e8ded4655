package qdrantlocal

import (
	"github.com/qdrant/go-client/qdrant"
)

// lookups are the vectors that queries take from points of other collections
// (lookup_from). They are read before the searched collection is locked.
type lookups struct {
	vectors map[*qdrant.VectorInput]vector
	own     map[*qdrant.PrefetchQuery]bool // lookup_from names the searched collection itself
}

// lookups resolves the ids in p and its prefetches that have a lookup_from.
func (s *Store) lookups(p *qdrant.PrefetchQuery, searched *collection) (lookups, error) {
	var l lookups
	err := s.addLookups(&l, p, searched)
	return l, err
}

func (s *Store) addLookups(l *lookups, p *qdrant.PrefetchQuery, searched *collection) error {
	if from := p.GetLookupFrom(); from != nil {
		if err := checkShards(from.GetShardKeySelector()); err != nil {
			return err
		}
		c, err := s.resolve(from.GetCollectionName())
		if err != nil {
			return err
		}
		if l.own == nil { // few queries have one
			l.own, l.vectors = map[*qdrant.PrefetchQuery]bool{}, map[*qdrant.VectorInput]vector{}
		}
		l.own[p] = c == searched
		name := p.GetUsing()
		if from.VectorName != nil {
			name = *from.VectorName
		}
		if err := c.readVectors(l, name, vectorInputs(nil, p.GetQuery())); err != nil {
			return err
		}
	}
	for _, sub := range p.GetPrefetch() {
		if err := s.addLookups(l, sub, searched); err != nil {
			return err
		}
	}
	return nil
}

// readVectors copies the named vectors of the points that inputs refer to by id.
func (c *collection) readVectors(l *lookups, name string, inputs []*qdrant.VectorInput) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, in := range inputs {
		id, ok := in.GetVariant().(*qdrant.VectorInput_Id)
		if !ok {
			continue
		}
		v, err := c.vectorOf(id.Id, name)
		if err != nil {
			return err
		}
		l.vectors[in] = v.clone()
	}
	return nil
}
