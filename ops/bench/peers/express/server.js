// The stack that Episodes replaces, as its teams write it: clips of the same table, in the same envelope.
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const express = require('express');
const helmet = require('helmet');
const Joi = require('joi');
const jwt = require('jsonwebtoken');
const pg = require('pg');
const winston = require('winston');

const { DATABASE_URL, PORT, PUBLIC_KEY_FILE, JWT_ISSUER, LOG_FILE } = process.env;
const publicKey = fs.readFileSync(PUBLIC_KEY_FILE, 'utf8');
const COUNT_LIMIT = 100000;

pg.types.setTypeParser(pg.types.builtins.INT8, Number);
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: Number(process.env.DATABASE_POOL_MAX) });
const log = winston.createLogger({
  format: winston.format.combine(winston.format.timestamp(), winston.format.json()),
  transports: [new winston.transports.File({ filename: LOG_FILE })],
});

const COLUMNS = `metadata, created_at, created_by, updated_at, updated_by, version, deleted_at, deleted_by, deleted_reason,
  restored_at, restored_by, clip_id, title, description, episode_id, talent_source, quality, status, recorded_at,
  file_reference, file_hash, file_size, mime_type, width, height, duration_seconds, frame_rate, codec, duplicate_of, tags`;

const newClip = Joi.object({
  title: Joi.string().min(1).max(500).required(),
  description: Joi.string().max(1000000).allow(null),
  episode_id: Joi.string().uuid().allow(null),
  talent_source: Joi.string().valid('Lala', 'JustAWomanInHerPrime', 'Guest').allow(null),
  quality: Joi.string().valid('hero', 'good', 'maybe', 'reject').allow(null),
  status: Joi.string().valid('pending_review', 'approved', 'rejected', 'used').default('pending_review'),
  recorded_at: Joi.date().iso().allow(null),
  tags: Joi.array().items(Joi.string().min(1).max(100)).max(100).default([]),
  metadata: Joi.object().default({}),
});
const listQuery = Joi.object({
  limit: Joi.number().integer().min(1).max(100).default(50),
  cursor: Joi.string().max(2048),
  status: Joi.string().valid('pending_review', 'approved', 'rejected', 'used'),
});
const clipId = Joi.string().uuid().required();

class Problem extends Error {
  constructor(status, code, message, field) {
    super(message);
    Object.assign(this, { status, code, field });
  }
}

function valid(schema, value) {
  const result = schema.validate(value, { abortEarly: false });
  if (result.error) {
    const [first] = result.error.details;
    throw new Problem(400, 'VALIDATION_ERROR', first.message, first.path.join('.'));
  }
  return result.value;
}

function metadata(req, more) {
  return { timestamp: new Date().toISOString(), requestId: req.id, ...more };
}

function withId(req, res, next) {
  req.id = req.get('x-request-id') || crypto.randomUUID();
  res.set('X-Request-ID', req.id);
  next();
}

function logged(req, res, next) {
  const started = process.hrtime.bigint();
  res.on('finish', () => {
    const milliseconds = Number(process.hrtime.bigint() - started) / 1e6;
    const { method, originalUrl: path, id: request_id, caller } = req;
    log.info('request', { method, path, status: res.statusCode, milliseconds, request_id, caller: caller && caller.sub });
  });
  next();
}

function allow(...groups) {
  return (req, res, next) => {
    const [scheme, token] = (req.get('authorization') || '').split(' ');
    if (scheme !== 'Bearer') return next(new Problem(401, 'UNAUTHORIZED', 'send a token'));
    try {
      req.caller = jwt.verify(token, publicKey, { algorithms: ['RS256'], issuer: JWT_ISSUER, clockTolerance: 30 });
    } catch (error) {
      return next(new Problem(401, 'UNAUTHORIZED', error.message));
    }
    const held = req.caller['cognito:groups'] || [];
    return next(held.some((group) => groups.includes(group)) ? undefined : new Problem(403, 'FORBIDDEN', 'not allowed'));
  };
}

const handled = (handler) => (req, res, next) => handler(req, res).catch(next);
const sendClip = (req, res, clip) => res.set('ETag', `"${clip.version}"`).json({ data: clip, metadata: metadata(req) });

async function readClip(req, res) {
  const id = valid(clipId, req.params.id);
  const { rows } = await pool.query(`select ${COLUMNS} from clips where clip_id = $1 and deleted_at is null`, [id]);
  if (rows.length === 0) throw new Problem(404, 'NOT_FOUND', 'there is no such clip');
  sendClip(req, res, rows[0]);
}

async function listClips(req, res) {
  const { limit, cursor, status } = valid(listQuery, req.query);
  const values = status ? [status] : [];
  const living = status ? 'deleted_at is null and status = $1' : 'deleted_at is null';
  const counting = pool.query(
    `select count(*) as total from (select 1 from clips where ${living} limit ${COUNT_LIMIT + 1}) as counted`, values);
  const after = cursor ? JSON.parse(Buffer.from(cursor, 'base64url').toString()) : [];
  const beyond = cursor ? ` and (created_at, clip_id) < ($${values.length + 1}, $${values.length + 2})` : '';
  const reading = pool.query(
    `select ${COLUMNS} from clips where ${living}${beyond} order by created_at desc, clip_id desc limit ${limit + 1}`,
    [...values, ...after]);
  const [{ rows: [{ total }] }, { rows }] = await Promise.all([counting, reading]);
  const data = rows.slice(0, limit);
  const last = data[data.length - 1];
  const more = rows.length > limit;
  const nextCursor = more ? Buffer.from(JSON.stringify([last.created_at, last.clip_id])).toString('base64url') : null;
  res.json({ data, metadata: metadata(req, { pagination: { limit, total, nextCursor } }) });
}

async function createClip(req, res) {
  const clip = valid(newClip, req.body);
  if (clip.episode_id) {
    const found = await pool.query('select 1 from episodes where episode_id = $1 and deleted_at is null', [clip.episode_id]);
    if (found.rowCount === 0) throw new Problem(400, 'VALIDATION_ERROR', 'there is no such episode', 'episode_id');
  }
  const values = [clip.title, clip.description, clip.episode_id, clip.talent_source, clip.quality, clip.status,
    clip.recorded_at, clip.tags, clip.metadata, req.caller.sub];
  const { rows } = await pool.query(
    `insert into clips (title, description, episode_id, talent_source, quality, status, recorded_at, tags, metadata,
       created_by, updated_by) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10) returning ${COLUMNS}`, values);
  res.status(201).set('Location', `/api/v1/clips/${rows[0].clip_id}`);
  sendClip(req, res, rows[0]);
}

function failed(error, req, res, next) {
  if (res.headersSent) return next(error);
  if (!error.status) log.error(error.message, { stack: error.stack, request_id: req.id });
  const { status = 500, code = 'SERVER_ERROR', field } = error;
  const message = status === 500 ? 'something went wrong' : error.message;
  return res.status(status).json({ errors: [{ code, message, field }], metadata: metadata(req) });
}

const app = express();
app.use(withId, logged, helmet(), express.json({ limit: '10mb' }));
app.get('/health', (req, res) => res.json({ data: { status: 'ok' }, metadata: metadata(req) }));
app.get('/api/v1/clips', allow('viewer', 'editor', 'admin'), handled(listClips));
app.get('/api/v1/clips/:id', allow('viewer', 'editor', 'admin'), handled(readClip));
app.post('/api/v1/clips', allow('editor', 'admin'), handled(createClip));
app.use(failed);
app.listen(Number(PORT), '127.0.0.1');
