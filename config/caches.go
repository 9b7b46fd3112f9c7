package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Caches are shared memory of the app's processes for items with a key.
type Caches struct {
	List  []Cache     `json:"list,omitempty"`
	Items []CacheItem `json:"items,omitempty"` // put in when the app is loaded
	Locks int         `json:"locks,omitempty"` // for uwsgi.lock, beside lock 0

	plain Cache // cache = N and the options around it
}

// Cache is one of them.
type Cache struct {
	Name        string `json:"name"`
	Items       int    `json:"items"`
	Blocks      int    `json:"blocks"`
	BlockSize   int    `json:"blocksize"`
	KeySize     int    `json:"keysize"`
	Bitmap      bool   `json:"bitmap,omitempty"` // a value may take several blocks
	PurgeLRU    bool   `json:"purge_lru,omitempty"`
	ClearOnFull bool   `json:"clear_on_full,omitempty"`
	IgnoreFull  bool   `json:"ignore_full,omitempty"`
	NoExpire    bool   `json:"no_expire,omitempty"`
	MathInitial int64  `json:"math_initial,omitempty"` // what cache_inc and its like begin with
	Store       string `json:"store,omitempty"`        // file that keeps the items, as the jail sees it
	Pos         Pos    `json:"-"`
}

// CacheItem is put into a cache, by its value or by a file that holds it.
type CacheItem struct {
	Cache string `json:"cache"`
	Key   string `json:"key"`
	Value string `json:"value,omitempty"`
	File  string `json:"file,omitempty"`
	Pos   Pos    `json:"-"`
}

const (
	defaultCacheBlock = 64 << 10
	defaultCacheKey   = 2048
	maxCacheItems     = 1 << 28
	maxCacheBytes     = 1 << 44
)

func (c *Caches) options() []option {
	return []option{
		{"cache2", "keep a cache: name=NAME,items=N[,blocksize=,blocks=,keysize=,bitmap=1,purge_lru=1,clear_on_full=1,ignore_full=1,no_expire=1,math_initial=N,store=FILE]; repeatable", c.add},
		{"cache", "keep a cache of this many items, with the name default", number(&c.plain.Items, 1, maxCacheItems)},
		{"cache-blocksize", "bytes of a value in the cache of the option cache at the most", number(&c.plain.BlockSize, 1, 1<<30)},
		{"cache-store", "file that keeps the items of the cache of the option cache", word(&c.plain.Store)},
		{"cache-no-expire", "items of the cache of the option cache stay for ever", boolean(&c.plain.NoExpire)},
		{"add-cache-item", "[CACHE ]KEY=VALUE is put into a cache, else the first; repeatable", c.addItem(false)},
		{"load-file-in-cache", "[CACHE ]FILE is put into a cache, else the first, with its path as the key; repeatable", c.addItem(true)},
		{"locks", "number of locks for uwsgi.lock beside lock 0", number(&c.Locks, 0, 1<<16)},
	}
}

// noCacheEffect are keys of cache2 for what happens anyway, or has no part in this cache.
var noCacheEffect = []string{"hash", "hashsize", "hash_size", "store_sync", "storesync", "store_delete", "storedelete", "lastmod", "lazy", "lazy_expire", "sweep_on_full"}

// noCacheKeys are for caches of several machines.
var noCacheKeys = []string{"udp", "udpserver", "udpservers", "udp_server", "udp_servers", "node", "nodes", "sync"}

func (c *Caches) add(v *value) error {
	one := Cache{BlockSize: defaultCacheBlock, KeySize: defaultCacheKey, Pos: v.Pos}
	for _, part := range strings.Split(v.tidy(), ",") {
		key, val, _ := strings.Cut(part, "=")
		if err := one.set(v, strings.TrimSpace(key), strings.TrimSpace(val)); err != nil {
			return err
		}
	}
	switch {
	case one.Name == "":
		return bad("a cache without a name", "write name=NAME,items=N")
	case one.Items == 0:
		return bad("a cache without items", "write name=NAME,items=N")
	}
	return c.take(one)
}

func (c *Caches) take(one Cache) error {
	if one.Blocks == 0 {
		one.Blocks = one.Items
	}
	if slices.ContainsFunc(c.List, func(have Cache) bool { return have.Name == one.Name }) {
		return bad("there is a cache "+one.Name+" already", "")
	}
	if int64(one.Blocks)*int64(one.BlockSize)+int64(one.Items)*int64(one.KeySize) > maxCacheBytes {
		return bad("the cache "+one.Name+" is larger than any memory", "blocksize times blocks is what the values take")
	}
	c.List = append(c.List, one)
	return nil
}

func (c *Cache) set(v *value, key, val string) error {
	count := func(p *int, most int) error {
		n, err := strconv.Atoi(val)
		if err != nil || n < 1 || n > most {
			return bad(fmt.Sprintf("%s is not a number from 1 to %d: %s", key, most, val), "")
		}
		*p = n
		return nil
	}
	flag := func(p *bool) error {
		*p = val != "0" && val != "false" && val != "no"
		return nil
	}
	switch key {
	case "name":
		if strings.ContainsAny(val, "@ ") {
			return bad("a cache's name has no @ and no blanks: "+val, "")
		}
		c.Name = val
	case "items", "maxitems", "max_items":
		return count(&c.Items, maxCacheItems)
	case "blocks":
		return count(&c.Blocks, maxCacheItems)
	case "blocksize", "block_size":
		return count(&c.BlockSize, 1<<30)
	case "keysize", "key_size":
		return count(&c.KeySize, 65535)
	case "bitmap":
		return flag(&c.Bitmap)
	case "purge_lru", "lru":
		return flag(&c.PurgeLRU)
	case "clear_on_full":
		return flag(&c.ClearOnFull)
	case "ignore_full":
		return flag(&c.IgnoreFull)
	case "no_expire":
		return flag(&c.NoExpire)
	case "math_initial":
		n, err := strconv.ParseInt(val, 10, 64)
		if err != nil {
			return bad("math_initial is not a whole number: "+val, "")
		}
		c.MathInitial = n
	case "store":
		c.Store = val
		return unresolved(val)
	default:
		switch {
		case slices.Contains(noCacheEffect, key):
			v.warn(key+" has no effect", "leave it out")
		case slices.Contains(noCacheKeys, key):
			return bad(key+": caches are not shared between machines", "keep the cache in a server of its own, Redis or memcached")
		default:
			return bad("no such key of a cache: "+key, "name, items, blocks, blocksize, keysize, bitmap, purge_lru, clear_on_full, ignore_full, no_expire, math_initial and store are known")
		}
	}
	return nil
}

func (c *Caches) addItem(file bool) setter {
	return func(v *value) error {
		one := CacheItem{Pos: v.Pos}
		text := strings.TrimSpace(v.Value)
		key, val, pair := strings.Cut(text, "=")
		if file {
			key, val = text, text
		}
		if name, rest, named := strings.Cut(key, " "); named {
			one.Cache, key = name, strings.TrimSpace(rest)
		}
		switch {
		case file:
			one.Key, one.File = key, key
			if err := unresolved(key); err != nil {
				return err
			}
		case !pair || key == "" || val == "":
			return bad("no item", "write [CACHE ]KEY=VALUE")
		default:
			one.Key, one.Value = key, val
			v.warnUnresolved()
		}
		c.Items = append(c.Items, one)
		return nil
	}
}

// checkCaches makes the cache of the option cache, which is the first, and finds items for caches that do not exist.
func (l *loader) checkCaches(c *Caches) {
	if p := c.plain; p.Items > 0 {
		p.Name, p.KeySize = "default", defaultCacheKey
		if p.BlockSize == 0 {
			p.BlockSize = defaultCacheBlock
		}
		if err := c.take(p); err != nil {
			l.report.add(SeverityError, Entry{Key: "cache", Value: strconv.Itoa(p.Items)}, err.Error(), "")
		} else {
			last := len(c.List) - 1
			c.List = append([]Cache{c.List[last]}, c.List[:last]...)
		}
	}
	for i := range c.Items {
		one := &c.Items[i]
		entry := Entry{Key: "add-cache-item", Value: one.Key, Pos: one.Pos}
		if one.File != "" {
			entry.Key = "load-file-in-cache"
		}
		if len(c.List) == 0 {
			l.report.add(SeverityError, entry, "there is no cache", "write cache2 = name=NAME,items=N")
			continue
		}
		if one.Cache == "" {
			one.Cache = c.List[0].Name
		} else if !slices.ContainsFunc(c.List, func(have Cache) bool { return have.Name == one.Cache }) {
			l.report.add(SeverityError, entry, fmt.Sprintf("there is no cache %q", one.Cache), "")
		}
	}
}
