#!/usr/bin/env python3
"""Asks an agent for a backup by a message, and prints what the agent tells of it.

    message.py --url AMQP_URL --cluster NAME --policy NAME [--exchange NAME] [--timeout SECONDS]

Run it with the python that `setup.sh rabbitmq` prints. It ends with the last event of the request: with 0 if the
backup succeeded.
"""

import argparse
import json
import sys
import time
import uuid

import pika
from pika.exceptions import ChannelClosedByBroker


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--cluster", required=True)
    parser.add_argument("--policy", required=True)
    parser.add_argument("--exchange", default="milvus-backup")
    parser.add_argument("--timeout", type=float, default=60)
    args = parser.parse_args()
    queue, deadline = f"milvus-backup.{args.cluster}", time.monotonic() + args.timeout

    connection = pika.BlockingConnection(pika.URLParameters(args.url))
    channel = when_declared(connection, queue, args.exchange, deadline)
    events = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(events, args.exchange, "backup.*")

    request = {"policy": args.policy, "request_id": str(uuid.uuid4())}
    channel.confirm_delivery()  # a message that is nobody's fails
    channel.basic_publish("", queue, json.dumps(request), pika.BasicProperties(delivery_mode=2), mandatory=True)
    print(f"> {queue}  {json.dumps(request)}", flush=True)

    for method, _, body in channel.consume(events, auto_ack=True, inactivity_timeout=1):
        if time.monotonic() > deadline:
            sys.exit(f"no end of {request['request_id']} within {args.timeout:.0f} s")
        if method is None:
            continue
        event = json.loads(body)
        if request["request_id"] not in event["data"]["requests"]:
            continue
        if method.routing_key == "backup.started":
            print(f"< {method.routing_key}  {event['id']}", flush=True)
            continue
        print(f"< {method.routing_key}\n{json.dumps(event, indent=2)}", flush=True)
        sys.exit(method.routing_key != "backup.succeeded")


def when_declared(connection, queue, exchange, deadline):
    """A channel, once the agent has declared what it needs."""
    while True:
        channel = connection.channel()
        try:
            channel.queue_declare(queue, passive=True)
            channel.exchange_declare(exchange, passive=True)
            return channel
        except ChannelClosedByBroker as e:
            if time.monotonic() > deadline:
                sys.exit(f"the agent does not listen: {e}")
            time.sleep(0.2)


main()
