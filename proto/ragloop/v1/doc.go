// Package ragloopv1 holds the generated Go code of ragloop's wire API, and the
// options for clients of it.
//
// The .proto files beside it are the API's documentation. Only retrieve/server
// and clients of the service import this package; the domain packages have
// their own types.
//
// After a change of a .proto file run "go generate ./proto/..." at the root of
// the repository. The generators are pinned in proto/tools/go.mod, a module of
// its own so that the product does not depend on them; nothing but Go and the
// module proxy is needed.
package ragloopv1

//go:generate go -C ../.. tool -modfile=tools/go.mod buf generate
//go:generate go -C ../.. tool -modfile=tools/go.mod buf lint
