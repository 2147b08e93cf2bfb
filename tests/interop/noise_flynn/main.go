// One side of a conversation in Noise_XXpsk3_25519_AESGCM_SHA256 with
// tests/interop/noise_peer.c, spoken by github.com/flynn/noise. What is said is
// described there; the arguments are the same.
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/flynn/noise"
)

const prologue = "cairn interop"

var errDiffers = errors.New("a record holds something else")

func sendMessage(m []byte) error {
	head := make([]byte, 2)
	binary.BigEndian.PutUint16(head, uint16(len(m)))
	_, err := os.Stdout.Write(append(head, m...))
	return err
}

func receiveMessage() ([]byte, error) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(os.Stdin, head); err != nil {
		return nil, err
	}
	m := make([]byte, binary.BigEndian.Uint16(head))
	_, err := io.ReadFull(os.Stdin, m)
	return m, err
}

func expected(i int, answer bool) []byte {
	sizes := []int{0, 1, 15, 16, 17, 1000, 65535 - 16}
	out := make([]byte, sizes[i%len(sizes)])
	for j := range out {
		out[j] = byte(7*i + j)
		if answer {
			out[j] ^= 0xff
		}
	}
	return out
}

// The two directions; a rekey follows every message that completes an interval.
type transport struct {
	send, receive *noise.CipherState
	rekeyEvery    uint64
}

func (t *transport) sendRecord(plain []byte) error {
	sealed, err := t.send.Encrypt(nil, nil, plain)
	if err != nil {
		return err
	}
	if t.send.Nonce()%t.rekeyEvery == 0 {
		t.send.Rekey()
	}
	return sendMessage(sealed)
}

func (t *transport) receiveRecord(want []byte) error {
	sealed, err := receiveMessage()
	if err != nil {
		return err
	}
	plain, err := t.receive.Decrypt(nil, nil, sealed)
	if err != nil {
		return err
	}
	if t.receive.Nonce()%t.rekeyEvery == 0 {
		t.receive.Rekey()
	}
	if !bytes.Equal(plain, want) {
		return errDiffers
	}
	return nil
}

// Every payload but the first is the writer's static key.
func handshake(initiator bool, psk []byte) (*transport, []byte, error) {
	suite := noise.NewCipherSuite(noise.DH25519, noise.CipherAESGCM, noise.HashSHA256)
	static, err := suite.GenerateKeypair(nil)
	if err != nil {
		return nil, nil, err
	}
	hs, err := noise.NewHandshakeState(noise.Config{
		CipherSuite:           suite,
		Pattern:               noise.HandshakeXX,
		Initiator:             initiator,
		Prologue:              []byte(prologue),
		PresharedKey:          psk,
		PresharedKeyPlacement: 3,
		StaticKeypair:         static,
	})
	if err != nil {
		return nil, nil, err
	}
	var first, second *noise.CipherState
	var theirs []byte
	for i := 0; i < 3; i++ {
		var m []byte
		if (i%2 == 0) == initiator {
			payload := static.Public
			if i == 0 {
				payload = nil
			}
			if m, first, second, err = hs.WriteMessage(nil, payload); err != nil {
				return nil, nil, err
			}
			err = sendMessage(m)
		} else {
			if m, err = receiveMessage(); err != nil {
				return nil, nil, err
			}
			theirs, first, second, err = hs.ReadMessage(nil, m)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	if !initiator {
		first, second = second, first
	}
	if !bytes.Equal(theirs, hs.PeerStatic()) {
		return nil, nil, errors.New("static key")
	}
	return &transport{send: first, receive: second}, hs.ChannelBinding(), nil
}

func (t *transport) round(initiator bool, say, answer []byte) error {
	if initiator {
		if err := t.sendRecord(say); err != nil {
			return err
		}
		return t.receiveRecord(answer)
	}
	if err := t.receiveRecord(say); err != nil {
		return err
	}
	return t.sendRecord(answer)
}

func run(args []string) error {
	if len(args) != 4 {
		return errors.New("usage: initiator|responder PSK_HEX REKEY_EVERY ROUNDS")
	}
	initiator := args[0] == "initiator"
	psk, err := hex.DecodeString(args[1])
	if err != nil {
		return err
	}
	every, err := strconv.ParseUint(args[2], 10, 64)
	if err != nil || every == 0 {
		return errors.New("REKEY_EVERY is at least 1")
	}
	rounds, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	t, binding, err := handshake(initiator, psk)
	if err != nil {
		return err
	}
	t.rekeyEvery = every
	if err := t.round(initiator, binding, binding); err != nil {
		return err
	}
	for i := 0; i < rounds; i++ {
		if err := t.round(initiator, expected(i, false), expected(i, true)); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "noise_flynn:", err)
		os.Exit(1)
	}
}
