"""Many python-socketio clients in one process: python3 parity.py sync|asyncio

Commands and reports as in testdata/npm/parity.mjs, as far as the library has them.
"""
import asyncio
import json
import os
import queue
import sys
import threading

import socketio

NAMES = ['hello', 'back', 'missed', 'large', 'n', 'news']
out = threading.Lock()


def pack(value):
    if isinstance(value, (bytes, bytearray)):
        return {'$bin': value.hex()}
    if isinstance(value, (list, tuple)):
        return [pack(v) for v in value]
    if isinstance(value, dict):
        return {k: pack(v) for k, v in value.items()}
    return value


def unpack(value):
    if isinstance(value, list):
        return [unpack(v) for v in value]
    if isinstance(value, dict):
        if '$bin' in value:
            return bytes.fromhex(value['$bin'])
        return {k: unpack(v) for k, v in value.items()}
    return value


def report(client, **members):
    with out:
        sys.stdout.write(json.dumps({'client': client, **members}) + '\n')
        sys.stdout.flush()


def listen(client, sio, namespace):
    """Reports what the library tells of."""
    def on(name, handler):
        sio.on(name, handler, namespace=namespace)

    on('connect', lambda: report(client, event='connect', id=sio.get_sid(namespace), transport=sio.transport()))
    on('connect_error', lambda *args: report(client, event='connect_error', data=pack(args)))
    on('disconnect', lambda: report(client, event='disconnect'))
    for name in NAMES:
        on(name, lambda *args, name=name: report(client, event='received', name=name, args=pack(args)))


def settings(options):
    return {
        'reconnection': options.get('reconnection', True),
        'reconnection_delay': options.get('reconnectionDelay', 1000) / 1000,
        'randomization_factor': 0,
    }


def connection(options):
    return {
        'auth': options.get('auth'),
        'transports': options.get('transports'),
        'headers': options.get('extraHeaders', {}),
        'socketio_path': options['path'],
        'wait_timeout': 10,
    }


def address(command):
    """The server, with the query; and the namespace, which npm's clients take from the URL."""
    scheme, rest = command['url'].split('://')
    host, _, namespace = rest.partition('/')
    query = '&'.join(f'{k}={v}' for k, v in command['options'].get('query', {}).items())
    return f'{scheme}://{host}' + (f'?{query}' if query else ''), '/' + namespace


class SyncClient:
    def __init__(self, client):
        self.client, self.commands = client, queue.Queue()
        threading.Thread(target=self.run, daemon=True).start()

    def put(self, command):
        self.commands.put(command)

    def run(self):
        while True:
            command = self.commands.get()
            try:
                getattr(self, command['do'])(command)
            except Exception as e:
                report(self.client, event='failed', do=command['do'], message=type(e).__name__)

    def connect(self, command):
        self.sio = socketio.Client(handle_sigint=False, **settings(command['options']))
        url, self.namespace = address(command)
        listen(self.client, self.sio, self.namespace)
        self.sio.connect(url, namespaces=[self.namespace], **connection(command['options']))

    def emit(self, command):
        tag, callback = command.get('tag'), None
        if tag is not None:
            def callback(*args):
                report(self.client, event='acked', tag=tag, args=pack(args))
        self.sio.emit(command['name'], tuple(unpack(command['args'])), namespace=self.namespace, callback=callback)

    def disconnect(self, command):
        self.sio.disconnect()

    def state(self, command):
        report(self.client, event='state', connected=self.sio.connected, transport=self.sio.transport())


class AsyncClient:
    def __init__(self, client):
        self.client, self.commands = client, asyncio.Queue()
        self.task = asyncio.ensure_future(self.run())

    def put(self, command):
        self.commands.put_nowait(command)

    async def run(self):
        while True:
            command = await self.commands.get()
            try:
                await getattr(self, command['do'])(command)
            except Exception as e:
                report(self.client, event='failed', do=command['do'], message=type(e).__name__)

    async def connect(self, command):
        self.sio = socketio.AsyncClient(handle_sigint=False, **settings(command['options']))
        url, self.namespace = address(command)
        listen(self.client, self.sio, self.namespace)
        await self.sio.connect(url, namespaces=[self.namespace], **connection(command['options']))

    async def emit(self, command):
        tag, callback = command.get('tag'), None
        if tag is not None:
            def callback(*args):
                report(self.client, event='acked', tag=tag, args=pack(args))
        await self.sio.emit(command['name'], tuple(unpack(command['args'])), namespace=self.namespace,
                            callback=callback)

    async def disconnect(self, command):
        await self.sio.disconnect()

    async def state(self, command):
        report(self.client, event='state', connected=self.sio.connected, transport=self.sio.transport())


clients = {}


def take(line, kind):
    command = json.loads(line)
    client = command['client']
    if client not in clients:
        clients[client] = kind(client)
    clients[client].put(command)


async def serve():
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=16 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async for line in reader:
        take(line, AsyncClient)


report('', event='ready')
if sys.argv[1] == 'asyncio':
    asyncio.run(serve())
else:
    for line in sys.stdin:
        take(line, SyncClient)
os._exit(0)
