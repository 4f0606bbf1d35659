# This file is the whole VCL: on Debian, copy it to /etc/varnish/default.vcl. It needs Varnish 7, and vmod_xkey of Debian's
# package varnish-modules. Vinyl Cache reads it, too.
vcl 4.1;

import purge;
import std;
import xkey;

backend default { .host = "127.0.0.1"; .port = "3000"; }    # your app

acl roan {                                       # the servers that the app runs on
    "127.0.0.1";
    "::1";
}

sub vcl_recv {
    # Only this file says what was purged.
    unset req.http.X-Roan-Purge;
    unset req.http.X-Roan-Found;

    # A host has one spelling. Varnish keeps the pages of each host apart.
    set req.http.Host = regsub(std.tolower(req.http.Host), "\.?(:(80|443))?$", "");
    if (req.http.Host == "") { return (synth(400, "Host is missing")); }

    # Parameters that change no page are cut: `/a?utm_source=x` becomes `/a`. The list is yours. Nothing else of a URL is
    # changed, so that each of its spellings is a page of its own.
    if (req.url ~ "[?&](?i:utm_\w+|fbclid|gclid|msclkid)(=|&|$)") {
        set req.url = regsuball(req.url, "(?<=[?&])(?i:utm_\w+|fbclid|gclid|msclkid)(=[^&]*)?(&|$)", "");
        set req.url = regsub(req.url, "[?&]$", "");
    }

    if (req.method == "PURGE" || req.method == "BAN") { call roan_purge; }

    # What is not in the key must not reach a page: a visitor could put it into everybody's.
    unset req.http.X-Forwarded-Host;
    unset req.http.Forwarded;
    set req.http.X-Forwarded-Proto = "http";     # "https" if visitors come over TLS that ends before Varnish

    if (req.method != "GET" && req.method != "HEAD") { return (pass); }
    if (req.http.Authorization) { return (pass); }
    # Cookies and all else that makes a page private are for the app to say: `Cache-Control: private`.
    return (hash);
}

# Purges, for those servers alone.
sub roan_purge {
    # A request with two addresses came through a proxy, whose own address may be in the list.
    if (client.ip !~ roan || req.http.X-Forwarded-For ~ ",") {
        return (synth(405, "Not allowed for this address"));
    }
    if (req.method == "PURGE" && req.http.xkey-purge) {
        set req.http.X-Roan-Found = xkey.purge(req.http.xkey-purge);
        set req.http.X-Roan-Purge = "xkey " + req.http.xkey-purge;
        return (synth(200, "Purged"));
    }
    if (req.method == "PURGE" && req.http.xkey-softpurge) {
        set req.http.X-Roan-Found = xkey.softpurge(req.http.xkey-softpurge);
        set req.http.X-Roan-Purge = "soft-xkey " + req.http.xkey-softpurge;
        return (synth(200, "Purged"));
    }
    if (req.method == "PURGE") {
        set req.hash_always_miss = true;         # go on in vcl_miss, whatever is cached
        return (hash);
    }

    # A ban is about the headers of stored pages alone, so that the lurker can work it off. A value is one word of it,
    # and in a pattern it is quoted by \Q and \E.
    if (req.http.Host !~ "^[!-~]+$") { return (synth(400, "Host cannot be banned")); }
    if (req.http.X-Roan-Ban == "everything") {
        set req.http.X-Roan-Expression = "obj.http.x-roan-url ~ .";
        set req.http.X-Roan-Purge = "everything";
    } elsif (req.http.X-Roan-Ban == "host") {
        set req.http.X-Roan-Expression = "obj.http.x-roan-host == " + req.http.Host;
        set req.http.X-Roan-Purge = "host " + req.http.Host;
    } elsif (req.http.X-Roan-Ban == "prefix" && req.http.X-Roan-Prefix ~ "^/[!-\[\]-~]+$") {
        set req.http.X-Roan-Expression = "obj.http.x-roan-host == " + req.http.Host
            + " && obj.http.x-roan-url ~ ^\Q" + req.http.X-Roan-Prefix + "\E";
        set req.http.X-Roan-Purge = "prefix " + req.http.Host + req.http.X-Roan-Prefix;
    } else {
        return (synth(400, "Unknown ban"));
    }
    if (!std.ban(req.http.X-Roan-Expression)) {
        unset req.http.X-Roan-Purge;
        return (synth(400, std.ban_error()));
    }
    return (synth(200, "Banned"));
}

sub vcl_hash {
    hash_data(req.url);
    hash_data(req.http.Host);
    return (lookup);
}

sub vcl_miss {
    if (req.method == "PURGE") {                 # all variants of the page
        if (req.http.X-Roan-Soft) {
            set req.http.X-Roan-Found = purge.soft(0s);
            set req.http.X-Roan-Purge = "soft-url " + req.http.Host + req.url;
        } else {
            set req.http.X-Roan-Found = purge.hard();
            set req.http.X-Roan-Purge = "url " + req.http.Host + req.url;
        }
        return (synth(200, "Purged"));
    }
}

sub vcl_synth {
    if (req.http.X-Roan-Purge) {
        set resp.http.X-Roan-Purge = req.http.X-Roan-Purge;    # tells Roan what was purged
        if (req.http.X-Roan-Found) { set resp.http.X-Roan-Found = req.http.X-Roan-Found; }
        return (deliver);
    }
}

sub vcl_backend_response {
    # An app that is down does not cost a page that is stale.
    if (beresp.status >= 500 && bereq.is_bgfetch) { return (abandon); }

    # How long: for caches that Roan purges the app says it in Surrogate-Control, for others in Cache-Control.
    if (beresp.http.Surrogate-Control ~ "max-age=\d+") {
        set beresp.ttl = std.duration(regsub(beresp.http.Surrogate-Control, "^.*max-age=(\d+).*$", "\1s"), 0s);
    } elsif (!beresp.http.Cache-Control && !beresp.http.Expires) {
        if (beresp.status == 200) { set beresp.ttl = 365d; } else { set beresp.ttl = 0s; }
    }
    if (beresp.ttl <= 0s
        || beresp.http.Set-Cookie
        || beresp.http.Vary ~ "\*"
        || beresp.http.Cache-Control ~ "(?i)private|no-store"
        || beresp.http.Surrogate-Control ~ "(?i)no-store"
        || (!beresp.http.Surrogate-Control && beresp.http.Cache-Control ~ "(?i)no-cache")) {
        set beresp.ttl = 120s;                   # meanwhile requests for it do not wait for each other
        set beresp.uncacheable = true;
        return (deliver);
    }

    # After a soft purge the old page is served for so long, while the new one is fetched. A page that expires by itself
    # is served then only if the app allows it.
    if (beresp.ttl >= 1d) {
        set beresp.grace = 1h;
    } elsif (beresp.http.Surrogate-Control ~ "stale-while-revalidate=\d+") {
        set beresp.grace = std.duration(
            regsub(beresp.http.Surrogate-Control, "^.*stale-while-revalidate=(\d+).*$", "\1s"), 0s);
    } elsif (beresp.http.Surrogate-Control || beresp.http.Cache-Control !~ "stale-while-revalidate") {
        set beresp.grace = 0s;
    }

    # For bans.
    set beresp.http.x-roan-host = bereq.http.Host;
    set beresp.http.x-roan-url = bereq.url;
    return (deliver);
}

sub vcl_deliver {
    if (obj.hits == 0) {
        set resp.http.X-Cache = "MISS";
    } elsif (obj.ttl <= 0s) {
        set resp.http.X-Cache = "STALE";
    } else {
        set resp.http.X-Cache = "HIT";
    }
    # What is for Varnish alone. The age of a page that is purged says nothing to a browser.
    if (resp.http.Surrogate-Control) { unset resp.http.Age; }
    unset resp.http.Surrogate-Control;           # keep it before a CDN that reads it, too
    unset resp.http.xkey;
    unset resp.http.x-roan-host;
    unset resp.http.x-roan-url;
}
