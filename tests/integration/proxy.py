# SPDX-License-Identifier: Apache-2.0
"""Something between a steward and those who dial it, that can make it slow."""

import socket
import threading
import time


class Proxy:
    """Passes on what is said to an address. Who dials after drip(size) hears that many bytes, and then ten a second."""

    def __init__(self, address, behind):
        self.behind, self.left, self.dripping = behind, None, 0
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(address)
        self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def drip(self, size):
        self.left = size

    def quicken(self):
        """Who dials from now on hears all at once."""
        self.left, self.dripping = None, 0

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(near, self.left), daemon=True).start()

    def serve(self, near, left):
        with near, socket.socket() as far:
            try:
                far.connect(self.behind)
            except OSError:
                return
            back = threading.Thread(target=self.carry, args=(far, near, left), daemon=True)
            back.start()
            self.carry(near, far, None)
            back.join()

    def carry(self, a, b, left):
        try:
            while piece := a.recv(65536 if left is None else min(left, 65536) or 1):
                b.sendall(piece)
                if left == 0:
                    time.sleep(0.1)
                elif left is not None:
                    left -= len(piece)
                    self.dripping += left == 0
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()
