"""Queues of waiting vehicles."""

import heapq


class Queue:
    """First come, first served, but for the ambulance."""

    def __init__(self):
        self.items = []

    def push(self, vehicle, urgent=False):
        heapq.heappush(self.items, (not urgent, vehicle))


def length(queue):
    return len(queue.items)
