"""One small service on four frameworks, `/healthz` for everybody and `/profiles/{id}`. `BENCH_VARIANT` says what guards the latter:

bare       nothing
callerid   its middleware; `callerid, first` has a memory too small for the tokens that come, so that each is verified anew
list       callerid's middleware, and a handler's list of callers (on FastAPI)
pyjwt      PyJWT's PyJWKClient, as people write it
google     Google's sample

The keys come from `BENCH_JWKS_URI` and `BENCH_PEM_URI`.
"""
