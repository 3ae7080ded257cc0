// What an API of this kind is in Node: Express takes the request, kafkajs appends it to a topic with the acknowledgement of
// every in-sync replica, mongoose reads accounts. It answers 202 as Passbook does, and settles nothing.
//
// node server.js PORT BROKERS MONGODB_URI

'use strict';

const express = require('express');
const { Kafka, logLevel } = require('kafkajs');
const mongoose = require('mongoose');

const TOPIC = 'node.commands';
const [port, brokers, mongo] = process.argv.slice(2);

const Account = mongoose.model('Account', new mongoose.Schema({ _id: String, balance: Number }, { versionKey: false }));

function fault({ type, account, amount, currency }) {
  if (!['deposit', 'withdrawal', 'withdrawal_request'].includes(type)) return 'type';
  if (typeof account !== 'string' || !/^[A-Za-z0-9_.~-]{1,64}$/.test(account)) return 'account';
  if (!Number.isSafeInteger(amount) || amount < 1) return 'amount';
  if (typeof currency !== 'string' || !/^[A-Z]{3}$/.test(currency)) return 'currency';
  return undefined;
}

async function main() {
  await mongoose.connect(mongo, { dbName: 'node' });
  const kafka = new Kafka({ clientId: 'node', brokers: brokers.split(','), logLevel: logLevel.ERROR });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: 8, replicationFactor: 1 }], waitForLeaders: true });
  await admin.disconnect();
  const producer = kafka.producer();
  await producer.connect();

  const api = express.Router();
  api.get('/health', (_, response) => response.json({ status: 'ok' }));
  api.post('/transaction', express.json(), async (request, response) => {
    const wrong = fault(request.body);
    if (wrong) return response.status(400).json({ field: wrong });
    const { type, account, amount, currency } = request.body;
    const value = JSON.stringify({ type, account, amount, currency });
    const [sent] = await producer.send({ topic: TOPIC, acks: -1, messages: [{ key: account, value }] });
    return response.status(202).json({ id: `${account}.${sent.partition}-${sent.baseOffset.padStart(12, '0')}`, status: 'accepted' });
  });
  api.get('/accounts/:id', async (request, response) => {
    const account = await Account.findById(request.params.id).lean();
    return account ? response.json(account) : response.status(404).json({});
  });

  const app = express();
  app.disable('x-powered-by');
  // Where the same NGINX looks for the function URL.
  app.use('/lambda-url/api', api);
  const server = app.listen(Number(port), '127.0.0.1');
  // Longer than NGINX keeps them, or it would meet connections that have just been closed.
  server.keepAliveTimeout = 120_000;
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
