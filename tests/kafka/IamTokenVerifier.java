import java.net.URI;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.UnsupportedCallbackException;
import javax.security.auth.login.AppConfigurationEntry;
import org.apache.kafka.common.security.auth.AuthenticateCallbackHandler;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerToken;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallback;

/**
 * What MSK does with an IAM token, for an Apache Kafka under test. The token is the URL, in base 64, of a request for
 * kafka-cluster:Connect that AWS Signature Version 4 has signed in its query. It is checked from the host to the
 * signature, which is computed again: the one user there is and the user's secret are told as system properties.
 */
public final class IamTokenVerifier implements AuthenticateCallbackHandler {
    private static final String REGION = System.getProperty("iam.region");
    private static final String ACCESS_KEY = System.getProperty("iam.access.key");
    private static final String SECRET = System.getProperty("iam.secret");
    private static final DateTimeFormatter TIME =
        DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);
    private static final Duration LONGEST = Duration.ofMinutes(15);
    /** Added after signing, so they are no part of what is signed. */
    private static final Set<String> UNSIGNED = Set.of("X-Amz-Signature", "User-Agent");

    private static final class Refused extends Exception {
        Refused(String why) {
            super(why);
        }
    }

    private record Token(String value, String principalName, long lifetimeMs, Long startTimeMs, Set<String> scope)
        implements OAuthBearerToken {}

    @Override
    public void configure(Map<String, ?> configs, String mechanism, List<AppConfigurationEntry> entries) {}

    @Override
    public void close() {}

    @Override
    public void handle(Callback[] callbacks) throws UnsupportedCallbackException {
        for (Callback callback : callbacks) {
            if (!(callback instanceof OAuthBearerValidatorCallback validation)) {
                throw new UnsupportedCallbackException(callback);
            }
            try {
                validation.token(verify(validation.tokenValue(), Instant.now()));
            } catch (Refused refused) {
                validation.error(refused.getMessage(), null, null);
            } catch (Exception unreadable) {
                validation.error("the token cannot be read: " + unreadable, null, null);
            }
        }
    }

    private static Token verify(String value, Instant now) throws Exception {
        URI url = URI.create(new String(Base64.getUrlDecoder().decode(value), StandardCharsets.UTF_8));
        String host = "kafka." + REGION + ".amazonaws.com";
        check(host.equals(url.getHost()) && "https".equals(url.getScheme()), "the host is " + url.getHost());
        TreeMap<String, String> query = query(url.getRawQuery());
        check("kafka-cluster:Connect".equals(query.get("Action")), "the action is " + query.get("Action"));
        check("AWS4-HMAC-SHA256".equals(query.get("X-Amz-Algorithm")), "the algorithm is another");
        check("host".equals(query.get("X-Amz-SignedHeaders")), "the signed headers are others");
        String time = String.valueOf(query.get("X-Amz-Date"));
        Instant from = TIME.parse(time, Instant::from);
        Duration lifetime = Duration.ofSeconds(Long.parseLong(String.valueOf(query.get("X-Amz-Expires"))));
        check(lifetime.compareTo(LONGEST) <= 0, "it is to last for " + lifetime);
        check(now.isBefore(from.plus(lifetime)), "it has expired");
        check(from.isBefore(now.plus(LONGEST)), "it is not valid yet");
        String scope = time.substring(0, 8) + "/" + REGION + "/kafka-cluster/aws4_request";
        String credential = String.valueOf(query.get("X-Amz-Credential"));
        check(credential.equals(ACCESS_KEY + "/" + scope), "the credential is " + credential);
        check(signature(host, query, time, scope).equals(query.get("X-Amz-Signature")), "the signature is wrong");
        return new Token(value, ACCESS_KEY, from.plus(lifetime).toEpochMilli(), from.toEpochMilli(), Set.of());
    }

    private static void check(boolean isSo, String otherwise) throws Refused {
        if (!isSo) {
            throw new Refused(otherwise);
        }
    }

    private static TreeMap<String, String> query(String text) {
        TreeMap<String, String> query = new TreeMap<>();
        for (String pair : text.split("&")) {
            String[] parts = pair.split("=", 2);
            query.put(decode(parts[0]), parts.length == 2 ? decode(parts[1]) : "");
        }
        return query;
    }

    /** As AWS documents it: a canonical request, its digest in the string to sign, and a key derived for the scope. */
    private static String signature(String host, TreeMap<String, String> query, String time, String scope)
        throws Exception {
        String signed = query.entrySet().stream()
            .filter(pair -> !UNSIGNED.contains(pair.getKey()))
            .map(pair -> encode(pair.getKey()) + "=" + encode(pair.getValue()))
            .collect(Collectors.joining("&"));
        String request = String.join("\n", "GET", "/", signed, "host:" + host, "", "host", digest(""));
        byte[] key = ("AWS4" + SECRET).getBytes(StandardCharsets.UTF_8);
        for (String part : scope.split("/")) {
            key = mac(key, part);
        }
        return HexFormat.of().formatHex(
            mac(key, String.join("\n", "AWS4-HMAC-SHA256", time, scope, digest(request))));
    }

    private static byte[] mac(byte[] key, String text) throws Exception {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        return mac.doFinal(text.getBytes(StandardCharsets.UTF_8));
    }

    private static String digest(String text) throws Exception {
        return HexFormat.of().formatHex(
            MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8)));
    }

    private static String decode(String text) {
        return URLDecoder.decode(text, StandardCharsets.UTF_8);
    }

    private static String encode(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20").replace("*", "%2A").replace("%7E", "~");
    }
}
