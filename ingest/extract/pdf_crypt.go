package extract

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"crypto/rc4"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
)

// The encryption of PDF files (ISO 32000-2, 7.6) with an empty user password,
// which is what a file has that anybody may open but not change. It is undone
// here as a whole, before the library sees the file: the library knows neither
// AES-256 nor RC4 with short keys, and decrypts the strings in object streams
// twice.

// pdfCipher is how strings or streams are encrypted.
type pdfCipher uint8

const (
	cipherNone   pdfCipher = iota
	cipherRC4              // with a key for each object
	cipherAES              // AES-128, likewise
	cipherAES256           // with one key
)

// pdfCrypt decrypts one file.
type pdfCrypt struct {
	key              []byte
	strings, streams pdfCipher
	metadata         bool // the XMP metadata is encrypted as well
}

// passwordPadding completes a password to 32 bytes (algorithm 2, step a).
const passwordPadding = "\x28\xbf\x4e\x5e\x4e\x75\x8a\x41\x64\x00\x4e\x56\xff\xfa\x01\x08\x2e\x2e\x00\xb6\xd0\x68\x3e\x80\x2f\x0c\xa9\xfe\x64\x53\x69\x7a"

// newPDFCrypt reads the encryption dictionary of a file. The error wraps
// ErrEncrypted.
func newPDFCrypt(x *pdfXref) (*pdfCrypt, error) {
	dict, _ := pdfDict(x.resolve(x.trailer["Encrypt"]))
	unknown := func(what string) error {
		return fmt.Errorf("%w in a way that cannot be read (%s); remove the encryption first", ErrEncrypted, what)
	}
	number := func(key string, otherwise int) int { return pdfInt(bytes.TrimSpace(x.resolve(dict[key])), otherwise) }
	if filter := pdfNameOf(x.resolve(dict["Filter"])); filter != "Standard" {
		return nil, unknown(fmt.Sprintf("filter %.20q", filter))
	}
	version, revision := number("V", 0), number("R", 0)
	c := &pdfCrypt{metadata: string(bytes.TrimSpace(x.resolve(dict["EncryptMetadata"]))) != "false"}
	length := number("Length", 40) / 8
	switch version {
	case 1:
		c.strings, c.streams, length = cipherRC4, cipherRC4, 5
	case 2:
		c.strings, c.streams = cipherRC4, cipherRC4
	case 4, 5:
		length = 16
		filters, _ := pdfDict(x.resolve(dict["CF"]))
		var ok1, ok2 bool
		c.strings, ok1 = cryptFilter(x, filters, pdfNameOf(x.resolve(dict["StrF"])))
		c.streams, ok2 = cryptFilter(x, filters, pdfNameOf(x.resolve(dict["StmF"])))
		if !ok1 || !ok2 {
			return nil, unknown("crypt filter")
		}
	default:
		return nil, unknown(fmt.Sprintf("version %d", version))
	}
	user := pdfStringOf(x.resolve(dict["U"]))
	var ok bool
	switch {
	case version == 5 && (revision == 5 || revision == 6):
		ok = c.openAES256(user, pdfStringOf(x.resolve(dict["UE"])), revision)
	case version < 5 && revision >= 2 && revision <= 4 && length >= 5 && length <= 16:
		ids := pdfLexerAt(x.resolve(x.trailer["ID"])).operands(1)
		var id []byte
		if len(ids) > 0 && len(ids[0].array) > 0 {
			id = ids[0].array[0].bytes
		}
		ok = c.openRC4(user, pdfStringOf(x.resolve(dict["O"])), id, uint32(number("P", 0)), revision, length)
	default:
		return nil, unknown(fmt.Sprintf("version %d, revision %d", version, revision))
	}
	if !ok {
		return nil, fmt.Errorf("%w: it needs a password; remove the password first", ErrEncrypted)
	}
	return c, nil
}

// cryptFilter returns what a crypt filter does.
func cryptFilter(x *pdfXref, filters map[string][]byte, name string) (c pdfCipher, ok bool) {
	if name == "" || name == "Identity" {
		return cipherNone, true
	}
	filter, _ := pdfDict(x.resolve(filters[name]))
	switch pdfNameOf(x.resolve(filter["CFM"])) {
	case "None":
		return cipherNone, true
	case "V2":
		return cipherRC4, true
	case "AESV2":
		return cipherAES, true
	case "AESV3":
		return cipherAES256, true
	}
	return cipherNone, false
}

// openRC4 computes the key (algorithm 2) and checks it against the entry U
// (algorithms 4 and 5).
func (c *pdfCrypt) openRC4(user, owner, id []byte, permissions uint32, revision, length int) bool {
	if len(user) < 32 || len(owner) < 32 {
		return false
	}
	h := md5.New()
	h.Write([]byte(passwordPadding))
	h.Write(owner[:32])
	h.Write(binary.LittleEndian.AppendUint32(nil, permissions))
	h.Write(id)
	if revision >= 4 && !c.metadata {
		h.Write([]byte{0xff, 0xff, 0xff, 0xff})
	}
	key := h.Sum(nil)
	if revision >= 3 {
		for range 50 {
			sum := md5.Sum(key[:length])
			key = sum[:]
		}
	}
	c.key = key[:length]
	if revision == 2 {
		return subtle.ConstantTimeCompare(rc4Of(c.key, []byte(passwordPadding)), user[:32]) == 1
	}
	sum := md5.Sum(append([]byte(passwordPadding), id...))
	check := sum[:]
	for i := range 20 {
		round := bytes.Clone(c.key)
		for k := range round {
			round[k] ^= byte(i)
		}
		check = rc4Of(round, check)
	}
	return subtle.ConstantTimeCompare(check, user[:16]) == 1
}

// openAES256 checks the password and decrypts the key (algorithm 2.A).
func (c *pdfCrypt) openAES256(user, encrypted []byte, revision int) bool {
	if len(user) < 48 || len(encrypted) < 32 {
		return false
	}
	hash := func(salt []byte) []byte {
		if revision == 5 {
			sum := sha256.Sum256(salt)
			return sum[:]
		}
		return hash2B(salt)
	}
	if subtle.ConstantTimeCompare(hash(user[32:40]), user[:32]) != 1 {
		return false
	}
	block, err := aes.NewCipher(hash(user[40:48]))
	if err != nil {
		return false // unreachable: the hash has 32 bytes
	}
	c.key = make([]byte, 32)
	cipher.NewCBCDecrypter(block, make([]byte, aes.BlockSize)).CryptBlocks(c.key, encrypted[:32])
	return true
}

// hash2B is algorithm 2.B for an empty user password.
func hash2B(salt []byte) []byte {
	sum := sha256.Sum256(salt)
	k := sum[:]
	for i := 0; ; i++ {
		e := bytes.Repeat(k, 64)
		block, err := aes.NewCipher(k[:16])
		if err != nil {
			return nil // unreachable: the key has 16 bytes
		}
		cipher.NewCBCEncrypter(block, k[16:32]).CryptBlocks(e, e)
		remainder := 0
		for _, b := range e[:16] {
			remainder += int(b)
		}
		switch remainder % 3 {
		case 0:
			s := sha256.Sum256(e)
			k = s[:]
		case 1:
			s := sha512.Sum384(e)
			k = s[:]
		default:
			s := sha512.Sum512(e)
			k = s[:]
		}
		if i >= 63 && int(e[len(e)-1]) <= i-31 {
			return k[:32]
		}
	}
}

func rc4Of(key, data []byte) []byte {
	out := make([]byte, len(data))
	c, err := rc4.NewCipher(key)
	if err != nil {
		return out // unreachable: keys have 5 to 16 bytes
	}
	c.XORKeyStream(out, data)
	return out
}

// decrypt decrypts data of an object.
func (c *pdfCrypt) decrypt(method pdfCipher, data []byte, number, gen int) []byte {
	key := c.key
	if method == cipherRC4 || method == cipherAES {
		h := md5.New()
		h.Write(key)
		h.Write([]byte{byte(number), byte(number >> 8), byte(number >> 16), byte(gen), byte(gen >> 8)})
		if method == cipherAES {
			h.Write([]byte("sAlT"))
		}
		key = h.Sum(nil)[:min(len(key)+5, 16)]
	}
	switch method {
	case cipherNone:
		return data
	case cipherRC4:
		return rc4Of(key, data)
	}
	block, err := aes.NewCipher(key)
	whole := len(data) / aes.BlockSize * aes.BlockSize
	if err != nil || whole < 2*aes.BlockSize {
		return nil
	}
	out := make([]byte, whole-aes.BlockSize)
	cipher.NewCBCDecrypter(block, data[:aes.BlockSize]).CryptBlocks(out, data[aes.BlockSize:whole])
	if n := int(out[len(out)-1]); n >= 1 && n <= aes.BlockSize {
		out = out[:len(out)-n]
	}
	return out
}

// decrypt replaces the file by one that is not encrypted, with the objects that
// the cross-references name.
func (x *pdfXref) decrypt(src *pdfSource) error {
	c, err := newPDFCrypt(x)
	if err != nil {
		return err
	}
	out := []byte("%PDF-1.7\n")
	dictionary, _ := pdfReference(x.trailer["Encrypt"])
	delete(x.trailer, "Encrypt")
	entries := map[int]pdfEntry{}
	for _, number := range x.numbers() {
		e := x.entries[number]
		if e.offset < 0 {
			entries[number] = e
			continue
		}
		if number == dictionary {
			continue
		}
		if err := src.charge(0); err != nil {
			return err
		}
		at := len(out)
		out = fmt.Appendf(out, "%d %d obj\n", number, e.gen)
		if out = x.appendDecrypted(out, c, number, e); len(out) > 2*len(x.data)+maxStreamBytes {
			return fmt.Errorf("%w: its objects overlap", ErrMalformed)
		}
		out = append(out, "\nendobj\n"...)
		entries[number] = pdfEntry{offset: at, gen: e.gen}
	}
	x.data, x.entries = out, entries
	return nil
}

// appendDecrypted appends the source of an object.
func (x *pdfXref) appendDecrypted(out []byte, c *pdfCrypt, number int, e pdfEntry) []byte {
	plain := func(s []byte) []byte { return c.decrypt(c.strings, s, number, e.gen) }
	_, _, n := x.header(e.offset)
	source := x.data[e.offset+n:]
	dict, end := pdfDict(source)
	if dict == nil {
		l := pdfLexerAt(source)
		if l.space(); l.pos < len(source) {
			l.operand(0)
		}
		return append(out, mapStrings(source[:l.pos], plain)...)
	}
	body, isStream := x.streamBody(dict, source[end:])
	out = append(out, "<<"...)
	for _, key := range sortedKeys(dict) {
		if isStream && key == "Length" {
			continue
		}
		out = append(out, ' ', '/')
		out = appendPDFName(out, key)
		out = append(out, ' ')
		out = append(out, mapStrings(dict[key], plain)...)
	}
	if !isStream {
		return append(out, " >>"...)
	}
	filters, _ := pdfLexerAt(dict["Filter"]).names()
	kind := pdfNameOf(dict["Type"])
	if kind != "XRef" && (kind != "Metadata" || c.metadata) && (len(filters) == 0 || filters[0] != "Crypt") {
		body = c.decrypt(c.streams, body, number, e.gen)
	}
	out = fmt.Appendf(out, " /Length %d >>\nstream\n", len(body))
	out = append(out, body...)
	return append(out, "\nendstream"...)
}

// streamBody returns the content of a stream as it is in the file. source
// follows its dictionary.
func (x *pdfXref) streamBody(dict map[string][]byte, source []byte) (body []byte, ok bool) {
	source, ok = bytes.CutPrefix(bytes.TrimLeft(source, pdfSpace), []byte("stream"))
	if !ok {
		return nil, false
	}
	source = bytes.TrimPrefix(bytes.TrimPrefix(source, []byte("\r")), []byte("\n"))
	const end = "endstream"
	if n := pdfInt(bytes.TrimSpace(x.resolve(dict["Length"])), -1); n >= 0 && n <= len(source) &&
		bytes.HasPrefix(bytes.TrimLeft(source[n:], pdfSpace), []byte(end)) {
		return source[:n], true
	}
	body, _, _ = bytes.Cut(source, []byte(end))
	return bytes.TrimSuffix(bytes.TrimSuffix(body, []byte("\n")), []byte("\r")), true
}

// resolve returns the source of the object that source refers to, or source
// itself.
func (x *pdfXref) resolve(source []byte) []byte {
	number, ok := pdfReference(source)
	if !ok {
		return source
	}
	e, ok := x.entries[number]
	if !ok || e.offset < 0 {
		return nil
	}
	_, _, n := x.header(e.offset)
	object := x.data[e.offset+n:]
	l := pdfLexerAt(object)
	if l.space(); l.pos < len(object) {
		l.operand(0)
	}
	return object[:l.pos]
}
